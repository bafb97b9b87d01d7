//! The names of classes that the files of well-known data sets do not hold.

/// Fashion-MNIST.
const FASHION: [&str; 10] = [
    "T-shirt",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
];
/// MNIST.
const DIGITS: [&str; 10] = [
    "digit 0", "digit 1", "digit 2", "digit 3", "digit 4", "digit 5", "digit 6", "digit 7",
    "digit 8", "digit 9",
];
/// CIFAR-10, as `batches.meta.txt` has them.
#[cfg(not(target_arch = "wasm32"))]
const CIFAR: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// The first labels of the training and the test files, as published: sixteen of ten classes each, so
/// that no other set will begin in the same way by chance.
const BEGINNINGS: [([i64; 16], [&str; 10]); 4] = [
    ([9, 0, 0, 3, 0, 2, 7, 2, 5, 5, 0, 9, 5, 5, 7, 9], FASHION),
    ([9, 2, 1, 1, 6, 1, 4, 6, 5, 7, 4, 5, 7, 3, 4, 1], FASHION),
    ([5, 0, 4, 1, 9, 2, 1, 3, 1, 4, 3, 5, 3, 6, 1, 7], DIGITS),
    ([7, 2, 1, 0, 4, 1, 4, 9, 5, 9, 0, 6, 9, 0, 1, 5], DIGITS),
];

fn owned(names: [&str; 10]) -> Vec<String> {
    names.map(str::to_string).to_vec()
}

/// The names of CIFAR-10's classes.
#[cfg(not(target_arch = "wasm32"))]
pub(super) fn cifar() -> Vec<String> {
    owned(CIFAR)
}

/// Recognises a set in the layout of MNIST by how its labels begin; empty if it is none of those known.
pub(super) fn by_labels(labels: &[i64]) -> Vec<String> {
    let known = BEGINNINGS.iter().find(|(first, _)| labels.starts_with(first));
    known.map_or(Vec::new(), |(_, names)| owned(*names))
}

/// The same by what its folders and files are called, for excerpts that begin elsewhere.
#[cfg(not(target_arch = "wasm32"))]
pub(super) fn by_names<'a>(
    names: impl IntoIterator<Item = &'a str>,
    labels: &[i64],
) -> Vec<String> {
    if labels.iter().any(|l| !(0..10).contains(l)) {
        return Vec::new();
    }
    for name in names {
        let name = name.to_ascii_lowercase();
        let mut words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty());
        let first = words.next().unwrap_or_default();
        let second = words.next().unwrap_or_default();
        match (first, second) {
            ("fashionmnist" | "fmnist", _) | ("fashion", "mnist") => return owned(FASHION),
            ("mnist", _) => return owned(DIGITS),
            // Kuzushiji-MNIST, EMNIST and others have the same layout and other classes.
            _ => {}
        }
    }
    Vec::new()
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    #[test]
    fn names_tell_siblings_apart() {
        let first = |name| by_names([name], &[0, 9]).first().cloned();
        for name in ["fashion-mnist", "FashionMNIST", "Fashion_MNIST", "fmnist-4443-test-"] {
            assert_eq!(first(name).as_deref(), Some("T-shirt"), "{name}");
        }
        for name in ["MNIST", "mnist", "mnist-digits"] {
            assert_eq!(first(name).as_deref(), Some("digit 0"), "{name}");
        }
        for name in ["kmnist", "EMNIST", "sign-mnist", "notMNIST", "raw", "", "kuzushiji-mnist"] {
            assert_eq!(first(name), None, "{name}");
        }
        assert!(by_names(["mnist"], &[0, 10]).is_empty(), "eleven classes are another set");
    }
}
