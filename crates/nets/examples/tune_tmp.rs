#![allow(missing_docs)]
use weightlab_gpu::*;
use weightlab_nets::*;
use std::time::Instant;
fn cpu() -> f64 { let s=std::fs::read_to_string("/proc/self/stat").unwrap(); let f:Vec<&str>=s.rsplit(')').next().unwrap().split_whitespace().collect(); (f[11].parse::<f64>().unwrap()+f[12].parse::<f64>().unwrap())/100.0 }
fn main() {
    pollster::block_on(async {
        let gpu = Gpu::open(&OpenOptions{default_limits: std::env::var("DEF").is_ok(),..Default::default()}).await.unwrap();
        let dims: Vec<usize> = std::env::var("DIMS").unwrap_or("2,32,32,1".into()).split(',').map(|s|s.parse().unwrap()).collect();
        let steps: u32 = std::env::var("STEPS").ok().map(|s|s.parse().unwrap()).unwrap_or(40);
        let mlp = Mlp::new(&dims, Convention::Dwsnets).unwrap();
        let n: usize = std::env::var("N").ok().map(|s|s.parse().unwrap()).unwrap_or(64); let coords = image_grid(28,28);
        let targets: Vec<f32> = (0..n*784*mlp.outputs()).map(|i| ((i*7919)%1000) as f32/1000.0).collect();
        let ids: Vec<NetId> = (0..n as u32).map(|object| NetId{object,view:0}).collect();
        println!("{:?} {:?}", fit::fused::Shape::choose(&gpu,&mlp,784), fit::fused::Shape::choose(&gpu,&mlp,784).map(|s|s.workgroup_bytes()));
        let set = FitSettings{max_steps:steps,until_psnr:None,..Default::default()};
        let mut b = FitBatch::new(&gpu,&mlp,&coords,&targets,&ids,0,&set).await.unwrap();
        b.advance().await.unwrap();
        let s0=b.progress().steps;
        let (t,c)=(Instant::now(),cpu()); let mut k=0;
        loop { k+=1; if b.advance().await.unwrap().finished {break} }
        let s=(b.progress().steps-s0) as f64 + n as f64;
        println!("advances {k} wall ms/net-step {:.4}  cpu/2 ms/net-step {:.4} mse {}", t.elapsed().as_secs_f64()*1e3/s, (cpu()-c)*1e3/2.0/s, b.progress().mse);
    })
}
