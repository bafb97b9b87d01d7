//! What the page says of the classifier that comes with it, on a GPU.

use pollster::block_on;
use std::path::Path;
use weightlab_app::protocol::classify::SHIPPED_RIGHT;
use weightlab_data::{DirStore, Zoo};
use weightlab_gpu::{Gpu, OpenOptions};
use weightlab_lab::train::evaluate_run;

#[test]
fn the_classifier_reads_as_many_right_as_the_page_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let gpu = block_on(Gpu::open(&OpenOptions::default())).unwrap();
    println!("adapter: {}", gpu.report().name);
    let zoo = block_on(Zoo::open(DirStore::new(root.join("testdata/zoo/test")))).unwrap();
    let run = DirStore::new(root.join("web/classifier"));
    let evaluation = block_on(evaluate_run(&gpu, &run, &zoo, None, None)).unwrap();
    let right =
        evaluation.predictions.iter().filter(|p| u64::try_from(p.label) == Ok(p.predicted)).count();
    let [said, all] = SHIPPED_RIGHT.map(|count| count as usize);
    assert_eq!(evaluation.predictions.len(), all);
    // Another device sums in another order, and the nearest of all first places leads by little.
    assert!(right.abs_diff(said) <= 2, "{right} of {all} are read right");
}
