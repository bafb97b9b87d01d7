#![allow(missing_docs)]
use weightlab_gpu::*;
use weightlab_nets::*;
#[test]
fn traj() {
    pollster::block_on(async {
        let gpu = Gpu::open(&OpenOptions{poison:true,..Default::default()}).await.unwrap();
        println!("{:?}", gpu.report());
        let bytes = std::fs::read("/work/shared/golden/dws/siren_fit.safetensors").unwrap();
        let st = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let f32s = |n: &str| -> Vec<f32> { st.tensor(n).unwrap().data().chunks_exact(4).map(|c| f32::from_le_bytes(c.try_into().unwrap())).collect() };
        let f64s = |n: &str| -> Vec<f64> { st.tensor(n).unwrap().data().chunks_exact(8).map(|c| f64::from_le_bytes(c.try_into().unwrap())).collect() };
        let mlp = Mlp::new(&[2,32,32,1], Convention::Dwsnets).unwrap();
        let mut p = vec![]; let mut after = vec![];
        for l in 0..3 { for k in ["weight","bias"] { p.extend(f32s(&format!("traj.init.seq.{l}.{k}"))); after.extend(f64s(&format!("traj.after10.seq.{l}.{k}"))); } }
        let t = f32s("target0"); let losses = f64s("traj.losses");
        let coords = image_grid(28,28);
        for k in 0..=10u32 {
            let set = FitSettings{max_steps:k,..Default::default()};
            let mut b = FitBatch::from_params(&gpu,&mlp,&coords,&t,&p,&set).unwrap();
            while !b.advance().await.unwrap().finished {}
            println!("{k} {:?} want {:?}", b.outcomes()[0], losses.get(k as usize));
            if k==10 { let q=b.params().await.unwrap(); let e=q.iter().zip(&after).map(|(a,b)|((*a as f64-b).abs())/(1e-6+1e-5*b.abs())).fold(0.0,f64::max); println!("worst {e}"); assert!(e<1.0); }
        }
    })
}
