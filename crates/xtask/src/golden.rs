//! The golden set through the program itself, as a user runs it; and once with a wrong value in it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::run::{Captured, capture, cargo, command, root, run, shown, target_dir};

const SET: &str = "testdata/golden/dws";
/// The groups that have to pass; every other one may be unsupported, but not fail.
const REQUIRED: [&str; 9] =
    ["siren_nets", "siren_fit", "aug", "match", "mixup", "pipeline", "ntxent", "optim", "dws"];

/// A value of every kind that a group compares, and the cases that compare it: `(group, cases, place)`. A place is a
/// tensor of the group's file, or `file:tensor`, or, with a slash, a number in the manifest.
const PLACES: [(&str, &[&str], &str); 23] = [
    ("siren_nets", &["img.0"], "img.0.out"),
    ("siren_fit", &["fit.0.out", "fit.0.mse"], "fit.0.out"),
    ("siren_fit", &["traj.after10"], "traj.after10.seq.1.weight"),
    ("aug", &["rotate.img0"], "rotate.img0.after.seq.0.weight"),
    ("aug", &["scale.img0"], "scale.img0.out"),
    ("match", &["img_random.run0"], "img_random.run0.perm.0"),
    ("match", &["img_random.run1"], "/cases/match/img_random/runs/1/inner"),
    ("match", &["lap.0"], "lap.0.col"),
    ("mixup", &["img.direct"], "img.direct.mixed.seq.1.weight"),
    ("mixup", &["sdf.align"], "sdf.align.out"),
    ("mixup", &["odd.align"], "odd.align.perm.0"),
    ("pipeline", &["mixup.0"], "mixup.0.w.0"),
    ("ntxent", &["a"], "a.grad"),
    ("ntxent", &["b"], "b.logits"),
    ("ntxent", &["projection"], "proj.grad.0.weight"),
    ("optim", &["sgd"], "sgd.trajectory"),
    ("dws", &["dws_odd.logits"], "dws_odd:logits"),
    ("dws", &["dws_odd.layers"], "dws_odd:sub.layers.layers.3.weight_to_bias.layers.0_2"),
    (
        "dws",
        &["dws_deep.gradients"],
        "dws_deep:grad.layers.layers.0.bias_to_weight.layers.0_1.layer.set_layer.mab.fc_q.weight",
    ),
    ("dws", &["dws_img.input_gradients"], "dws_img:gradin.w.1"),
    ("dws", &["ds_mean_fc2.layers"], "dws_variants:ds_mean_fc2.layer.layers.layers.3.w.1"),
    (
        "dws",
        &["sab_max_bn.statistics"],
        "dws_variants:sab_max_bn.buf.layers.layers.1.weights_bn.1.running_var",
    ),
    ("dws", &["sab_max_bn.evaluation"], "dws_variants:sab_max_bn.logits_eval"),
];

/// How many cases of a group ended how.
#[derive(Default, Debug, PartialEq)]
struct Tally {
    pass: u64,
    fail: u64,
    unsupported: u64,
    /// The cases that failed, sorted.
    failed: BTreeSet<String>,
    /// The largest error in units of its tolerance.
    worst: f64,
}

/// What `weightlab check --json` says, by group.
type Report = BTreeMap<String, Tally>;

/// Runs the set, which must pass, and a copy with wrong values, of which every case must fail and no other.
pub fn check() -> Result<()> {
    run(&mut cargo(&["build", "--release", "--locked", "--package", "weightlab"]))?;
    let output = weightlab_check(&root().join(SET))?;
    let report = read_report(&output.stdout).with_context(|| said(&output))?;
    println!(
        "{:<14} {:>6} {:>6} {:>12}   worst error / tolerance",
        "group", "pass", "fail", "unsupported"
    );
    for (group, Tally { pass, fail, unsupported, worst, .. }) in &report {
        println!("{group:<14} {pass:>6} {fail:>6} {unsupported:>12}   {worst:.3}");
    }
    println!("{}", output.stdout.lines().last().unwrap_or_default());
    judge(&report).with_context(|| said(&output))?;
    ensure!(
        output.code == Some(0),
        "every group passed, but the exit code is {:?}\n{}",
        output.code,
        said(&output)
    );

    let wrong = target_dir()?.join("golden-wrong");
    copy_with_wrong_values(&root().join(SET), &wrong)?;
    let output = weightlab_check(&wrong)?;
    let report = read_report(&output.stdout).with_context(|| said(&output))?;
    for group in REQUIRED {
        let places = PLACES.iter().filter(|p| p.0 == group);
        let wrong: BTreeSet<String> = places.flat_map(|p| p.1).map(|&c| c.to_owned()).collect();
        let failed = report.get(group).map(|tally| tally.failed.clone()).unwrap_or_default();
        ensure!(
            !wrong.is_empty() && failed == wrong,
            "{group}: the cases {wrong:?} have a wrong value, but {failed:?} failed\n{}",
            said(&output)
        );
    }
    ensure!(
        output.code == Some(1),
        "cases failed, but the exit code is {:?}\n{}",
        output.code,
        said(&output)
    );
    println!("with {} wrong values: those cases failed, as they must", PLACES.len());
    Ok(())
}

fn weightlab_check(set: &Path) -> Result<Captured> {
    let program =
        target_dir()?.join("release").join(format!("weightlab{}", std::env::consts::EXE_SUFFIX));
    let mut check = command(program);
    check.args(["check", "--json", "--golden"]).arg(set);
    println!("$ {}", shown(&check));
    capture(&mut check)
}

/// The program's own words, with its exit code, for an error message.
fn said(output: &Captured) -> String {
    format!(
        "weightlab check said (exit code {:?}):\n{}{}",
        output.code, output.stdout, output.stderr
    )
}

/// Reads the lines: one object per case, the last one a summary, which has to agree with the cases.
fn read_report(lines: &str) -> Result<Report> {
    let mut report = Report::new();
    let mut summary = None;
    for line in lines.lines() {
        ensure!(summary.is_none(), "the summary is not the last line");
        let value: Value =
            serde_json::from_str(line).with_context(|| format!("not JSON: {line}"))?;
        if let Some(object) = value.get("summary") {
            let count = |name| {
                object
                    .get(name)
                    .and_then(Value::as_u64)
                    .with_context(|| format!("no {name} in {line}"))
            };
            summary = Some([count("pass")?, count("fail")?, count("unsupported")?]);
            continue;
        }
        let text = |name| {
            value.get(name).and_then(Value::as_str).with_context(|| format!("no {name} in {line}"))
        };
        let case = text("case")?.to_owned();
        let tally = report.entry(text("group")?.to_owned()).or_default();
        match text("status")? {
            "pass" => tally.pass += 1,
            "fail" => {
                tally.fail += 1;
                tally.failed.insert(case);
            }
            "unsupported" => tally.unsupported += 1,
            other => bail!("status '{other}' in {line}"),
        }
        tally.worst = tally.worst.max(value.get("worst").and_then(Value::as_f64).unwrap_or(0.0));
    }
    let sum = |part: fn(&Tally) -> u64| report.values().map(part).sum::<u64>();
    let counted = [sum(|t| t.pass), sum(|t| t.fail), sum(|t| t.unsupported)];
    let summary = summary.context("no summary line")?;
    ensure!(
        summary == counted,
        "the summary says {summary:?} (pass, fail, unsupported), the lines say {counted:?}"
    );
    Ok(report)
}

/// Nothing fails, and the required groups pass whole.
fn judge(report: &Report) -> Result<()> {
    for (group, tally) in report {
        ensure!(tally.fail == 0, "{} cases of {group} fail", tally.fail);
    }
    for group in REQUIRED {
        let tally = report.get(group).with_context(|| format!("{group} was not checked"))?;
        ensure!(tally.pass > 0, "no case of {group} passes");
        ensure!(tally.unsupported == 0, "{} cases of {group} are unsupported", tally.unsupported);
    }
    Ok(())
}

/// A copy of the set in which the expected values at [`PLACES`] are off by one.
fn copy_with_wrong_values(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from).with_context(|| format!("{}", from.display()))? {
        let file = entry?.path();
        std::fs::copy(&file, to.join(file.file_name().context("a file without a name")?))?;
    }
    for (group, _, place) in PLACES {
        let number = place.starts_with('/');
        let (file, place) = match place.split_once(':') {
            Some((file, tensor)) => (format!("{file}.safetensors"), tensor),
            None if number => ("manifest.json".to_owned(), place),
            None => (format!("{group}.safetensors"), place),
        };
        let file = to.join(file);
        let mut bytes = std::fs::read(&file).with_context(|| format!("{}", file.display()))?;
        match number {
            true => falsify_number(&mut bytes, place),
            false => falsify(&mut bytes, place),
        }
        .with_context(|| format!("{}, {place}", file.display()))?;
        std::fs::write(&file, bytes)?;
    }
    Ok(())
}

/// Adds one to a number of a JSON file.
fn falsify_number(bytes: &mut Vec<u8>, pointer: &str) -> Result<()> {
    let mut json: Value = serde_json::from_slice(bytes)?;
    let value = json.pointer_mut(pointer).context("not in the file")?;
    *value = (value.as_f64().context("not a number")? + 1.0).into();
    *bytes = serde_json::to_vec(&json)?;
    Ok(())
}

/// Adds one to the middle value of a tensor of float64 or int64 of a safetensors file (length, JSON header, data).
fn falsify(bytes: &mut [u8], tensor: &str) -> Result<()> {
    let (length, rest) = bytes.split_first_chunk_mut::<8>().context("no header length")?;
    let length = usize::try_from(u64::from_le_bytes(*length))?;
    let (header, data) = rest.split_at_mut_checked(length).context("the header is cut off")?;
    let header: Value = serde_json::from_slice(header)?;
    let entry = header.get(tensor).context("not in the file")?;
    let offset =
        |i| entry.get("data_offsets")?.get(i)?.as_u64().and_then(|o| usize::try_from(o).ok());
    let range = offset(0).context("no offset")?..offset(1).context("no offset")?;
    let values = data.get_mut(range).context("the data are cut off")?;
    let middle = values.len() / 16;
    let value = values.as_chunks_mut::<8>().0.get_mut(middle).context("the tensor is empty")?;
    *value = match entry.get("dtype").and_then(Value::as_str) {
        Some("F64") => (f64::from_le_bytes(*value) + 1.0).to_le_bytes(),
        Some("I64") => i64::from_le_bytes(*value).wrapping_add(1).to_le_bytes(),
        _ => bail!("neither float64 nor int64: {entry}"),
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"group":"siren_nets","case":"img","status":"pass","worst":0.25}
{"group":"siren_nets","case":"odd","status":"pass","worst":0.5}
{"group":"siren_fit","case":"fits","status":"pass","worst":0.1}
{"group":"aug","case":"scale","status":"pass","worst":0.1}
{"group":"match","case":"run0","status":"pass","worst":0.0}
{"group":"mixup","case":"direct","status":"pass","worst":0.0}
{"group":"pipeline","case":"none","status":"pass","worst":0.0}
{"group":"ntxent","case":"a","status":"pass","worst":0.0}
{"group":"optim","case":"sgd","status":"pass","worst":0.0}
{"group":"dws","case":"sab_sum.logits","status":"pass","worst":0.0}
{"group":"other","case":"a","status":"unsupported"}
{"summary":{"pass":10,"fail":0,"unsupported":1},"adapter":"llvmpipe"}
"#;

    #[test]
    fn a_good_report_passes() {
        let report = read_report(GOOD).unwrap();
        assert_eq!(report["siren_nets"], Tally { pass: 2, worst: 0.5, ..Tally::default() });
        judge(&report).unwrap();
    }

    #[test]
    fn reports_that_must_not_pass() {
        let fails = GOOD.replacen("pass\",\"worst\":0.5", "fail\",\"worst\":1.5", 1);
        let fails = fails.replace("\"pass\":10,\"fail\":0", "\"pass\":9,\"fail\":1");
        let failed = read_report(&fails).unwrap();
        assert_eq!(failed["siren_nets"].failed, BTreeSet::from(["odd".to_owned()]));
        assert!(judge(&failed).is_err(), "a failed case");
        let unsupported = GOOD.replacen("pass\",\"worst\":0.1", "unsupported\",\"worst\":0.0", 1);
        let unsupported = unsupported
            .replace("\"pass\":10", "\"pass\":9")
            .replace("supported\":1", "supported\":2");
        assert!(
            judge(&read_report(&unsupported).unwrap()).is_err(),
            "a required group without a pass"
        );
        assert!(
            judge(&read_report("{\"summary\":{\"pass\":0,\"fail\":0,\"unsupported\":0}}").unwrap())
                .is_err()
        );

        let cut = GOOD.rsplit_once("{\"summary").unwrap().0;
        assert!(read_report(cut).is_err(), "no summary");
        assert!(
            read_report(&GOOD.replace("\"pass\":10", "\"pass\":11")).is_err(),
            "a summary that does not add up"
        );
        assert!(
            read_report(&GOOD.replace("unsupported\"}", "skipped\"}")).is_err(),
            "an unknown status"
        );
    }

    #[test]
    fn a_value_is_made_wrong_and_only_that_value() {
        let header = br#"{"x":{"dtype":"F64","shape":[3],"data_offsets":[8,32]}}"#;
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend_from_slice(header);
        for value in [9.0_f64, 1.0, 2.0, 3.0] {
            file.extend_from_slice(&value.to_le_bytes());
        }
        let before = file.clone();
        falsify(&mut file, "x").unwrap();
        let changed: Vec<usize> = (0..file.len() - 8 - header.len())
            .filter(|i| file[8 + header.len() + i] != before[8 + header.len() + i])
            .collect();
        assert!(!changed.is_empty() && changed.iter().all(|i| (16..24).contains(i)), "{changed:?}");
        assert!(falsify(&mut file, "y").is_err());
        assert!(falsify(&mut file[..40], "x").is_err());

        let mut json = br#"{"a":[1,2.5],"b":"text"}"#.to_vec();
        falsify_number(&mut json, "/a/1").unwrap();
        assert_eq!(json, br#"{"a":[1,3.5],"b":"text"}"#);
        assert!(
            falsify_number(&mut json, "/c").is_err() && falsify_number(&mut json, "/b").is_err()
        );
    }
}
