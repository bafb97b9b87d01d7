//! Time of every kernel of a DWS step: `profile [hidden] [nets]`.

mod runner;

use runner::Runner;
use std::collections::BTreeMap;
use std::time::Instant;
use weightlab_gpu::{Gpu, OpenOptions};
use weightlab_learn::DwsConfig;
use weightlab_learn::calls::Kind;
use weightlab_learn::dws::{Dws, Wanted};

fn main() {
    let mut args = std::env::args().skip(1).take(2).map(|a| a.parse::<usize>().expect("a number"));
    let hidden = args.next().unwrap_or(32);
    let nets = args.next().unwrap_or(64);
    let gpu = pollster::block_on(Gpu::open(&OpenOptions::default())).expect("an adapter");
    let config = DwsConfig { hidden, ..DwsConfig::default() };
    let model = Dws::new(&config, &[2, 32, 32, 1]).expect("a model");
    let kind =
        if gpu.is_cpu() && std::env::args().nth(3).is_none() { Kind::Software } else { Kind::Gpu };
    let wanted = Wanted { nets, train: true, backward: true, input_gradient: false, kind };
    let mut state = 1u64;
    let params = model.arena().init(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        ((state >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    });
    let mut runner = Runner::new(&gpu, &model, &wanted, &params, &model.fresh_state());
    let input: Vec<f32> = (0..nets * model.net_len()).map(|i| (i as f32 * 0.37).sin()).collect();
    runner.write(runner.recorded.nets, &input);
    runner.write(runner.recorded.d_logits, &vec![0.01; nets * runner.recorded.logits_stride]);
    if std::env::var("COLD").is_ok() {
        let mut seen = std::collections::BTreeSet::new();
        for call in runner.recorded.forward.iter().chain(&runner.recorded.backward) {
            let start = Instant::now();
            runner.run(std::slice::from_ref(call));
            pollster::block_on(gpu.finish()).expect("no error");
            if seen.insert(call.shader.name) {
                println!(
                    "{:9.1} ms first {}",
                    start.elapsed().as_secs_f64() * 1e3,
                    call.shader.name
                );
            }
        }
    }
    runner.forward();
    runner.backward();
    pollster::block_on(gpu.finish()).expect("no error");
    let cpu = || -> f64 {
        let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
    };
    let (start, before) = (Instant::now(), cpu());
    runner.forward();
    runner.backward();
    pollster::block_on(gpu.finish()).expect("no error");
    let ms = start.elapsed().as_secs_f64() * 1e3;
    println!("whole step {ms:.1} ms, {:.1} ms of CPU", (cpu() - before) * 1e3);
    let mut by_kernel: BTreeMap<String, (usize, f64)> = BTreeMap::new();
    for (pass, calls) in [("f", &runner.recorded.forward), ("b", &runner.recorded.backward)] {
        for call in calls {
            let start = cpu();
            runner.run(std::slice::from_ref(call));
            pollster::block_on(gpu.finish()).expect("no error");
            let entry = by_kernel.entry(format!("{pass} {}", call.shader.name)).or_default();
            entry.0 += 1;
            entry.1 += (cpu() - start) * 1e3;
        }
    }
    let mut rows: Vec<_> = by_kernel.into_iter().collect();
    rows.sort_by(|a, b| b.1.1.total_cmp(&a.1.1));
    for (name, (count, ms)) in rows {
        println!("{ms:9.2} ms {count:4} {name}");
    }
}
