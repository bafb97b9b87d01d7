//! The Augment bench: what is done to the network that is looked at.

use super::table::{Codec, Fields, Whole};
use weightlab_nets::symmetry::{Known, Op, Parameter};
use weightlab_nets::{Activation, Convention, Mlp};

/// Longest chain.
pub const MOST_OPS: usize = 6;

/// What is done to a network.
#[derive(Clone, Debug, PartialEq)]
pub struct AugmentSpec {
    /// One after the other; never empty.
    pub ops: Vec<Op>,
    /// Key of all that is drawn at random.
    pub draw: u64,
}

impl Default for AugmentSpec {
    fn default() -> AugmentSpec {
        // Everything moves and nothing changes: the bench's point.
        AugmentSpec { ops: vec![Op::Permutation], draw: 0 }
    }
}

impl AugmentSpec {
    pub(super) fn fields(&mut self, io: &mut impl Fields) {
        let usual = AugmentSpec::default();
        io.field("op", &Chain, &mut self.ops, &usual.ops);
        io.field("draw", &Whole(0, u64::MAX), &mut self.draw, &usual.draw);
    }
}

/// Operations as the command line writes them, with semicolons between them.
struct Chain;

impl Codec<Vec<Op>> for Chain {
    fn read(&self, text: &str) -> Option<Vec<Op>> {
        let mut ops = Vec::new();
        for part in text.split(';') {
            ops.extend(Op::parse(part).ok()?);
        }
        ((1..=MOST_OPS).contains(&ops.len()) && ops.iter().all(is_possible)).then_some(ops)
    }
    fn write(&self, value: &Vec<Op>) -> String {
        value.iter().map(ToString::to_string).collect::<Vec<_>>().join(";")
    }
    fn expected(&self) -> String {
        format!(
            "1 to {MOST_OPS} operations such as rotate:degrees=30, with semicolons between them"
        )
    }
}

/// Greatest parameter that an address may hold. Beyond there is nothing to see: weights are of the order of 1.
const MOST: f64 = 1000.0;

/// Whether there is an architecture that the operation, with its parameters, is made for, and something to see of it.
fn is_possible(op: &Op) -> bool {
    let parameters = known(op).map_or(&[][..], |known| known.parameters);
    let too_large =
        |p: &Parameter| parameter(op, p.name).parse().is_ok_and(|x: f64| x.abs() > MOST);
    if parameters.iter().any(too_large) {
        return false;
    }
    [(2, false), (3, false), (2, true)].into_iter().any(|(inputs, relu)| {
        Mlp::new(&[inputs, 4, 1], Convention::Dwsnets).is_ok_and(|mut mlp| {
            if relu {
                mlp.activation = Activation::Relu;
            }
            op.validate(&mlp).is_ok()
        })
    })
}

/// What is known of an operation.
pub fn known(op: &Op) -> Option<&'static Known> {
    Op::known().iter().find(|known| known.name == op.name())
}

/// The value of a parameter, as text.
pub fn parameter(op: &Op, name: &str) -> String {
    let text = op.to_string();
    let (_, given) = text.split_once(':').unwrap_or_default();
    let value = given.split(',').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    value.unwrap_or_default().to_owned()
}

/// The operation with another value of a parameter; `None` if there is no such.
pub fn with_parameter(op: &Op, name: &str, value: &str) -> Option<Op> {
    let one = |p: &str| {
        let value = if p == name { value.to_owned() } else { parameter(op, p) };
        format!("{p}={value}")
    };
    let given: Vec<String> = known(op)?.parameters.iter().map(|p| one(p.name)).collect();
    let changed = Op::parse(&format!("{}:{}", op.name(), given.join(","))).ok()?;
    changed.first().copied().filter(is_possible)
}

/// How a parameter is set by hand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Control {
    /// From, to, and the least step.
    Slider(f32, f32, f32),
    /// From and to, evenly by powers of ten.
    Powers(f32, f32),
    /// One of these.
    Choice(&'static [&'static str]),
}

/// How a parameter of an operation is set by hand. The address may hold values beyond.
pub fn control(op: &str, parameter: &str) -> Control {
    match (op, parameter) {
        (_, "depth") => Control::Choice(&["random", "first"]),
        (_, "per") => Control::Choice(&["neuron", "layer"]),
        (_, "rescale") => Control::Choice(&["yes", "no"]),
        (_, "degrees") => Control::Slider(0.0, 180.0, 1.0),
        (_, "k_max") => Control::Slider(1.0, 16.0, 1.0),
        (_, "low") => Control::Slider(0.2, 1.0, 0.02),
        (_, "high") => Control::Slider(1.0, 3.0, 0.02),
        ("gaussian-noise", _) => Control::Powers(0.001, 3.0),
        ("rotate-axis", _) => Control::Slider(-1.0, 1.0, 0.05),
        ("masking", "probability") | ("relu-scaling", _) => Control::Slider(0.0, 0.95, 0.01),
        _ => Control::Slider(0.0, 1.0, 0.01),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_goes_through_an_address() {
        for known in Op::known() {
            let ops = Op::parse(known.name).unwrap();
            let text = Chain.write(&ops);
            assert_eq!(Chain.read(&text), Some(ops), "{text}");
        }
        for nonsense in [
            "",
            "rotate:degrees=banana",
            "rotate:degrees=500",
            "spin",
            "permutation;",
            ";",
            "gaussian-noise:level=1e30",
        ] {
            assert_eq!(Chain.read(nonsense), None, "{nonsense}");
        }
        assert_eq!(Chain.read(&["permutation"; 7].join(";")), None);
    }

    #[test]
    fn every_parameter_can_be_set_by_hand() {
        for known in Op::known().iter().filter(|known| known.name != "combine") {
            let op = Op::parse(known.name).unwrap()[0];
            for p in known.parameters {
                assert_eq!(parameter(&op, p.name), p.default, "{}", known.name);
                let values: Vec<String> = match control(known.name, p.name) {
                    Control::Slider(from, to, _) | Control::Powers(from, to) => {
                        vec![from.to_string(), to.to_string()]
                    }
                    Control::Choice(all) => all.iter().map(|v| (*v).to_owned()).collect(),
                };
                for value in values {
                    // An axis of length 0 is none; one of the others is 1 by default.
                    let changed = with_parameter(&op, p.name, &value);
                    if (known.name, p.name) == ("rotate-axis", "z") {
                        continue;
                    }
                    let changed =
                        changed.unwrap_or_else(|| panic!("{}: {}={value}", known.name, p.name));
                    assert_eq!(parameter(&changed, p.name), value, "{}", known.name);
                }
                assert_eq!(with_parameter(&op, p.name, "many"), None);
            }
        }
    }
}
