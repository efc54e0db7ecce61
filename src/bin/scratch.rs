use secondlook::{domain::*, infer::*, learn::*, media};
use std::{collections::BTreeMap, path::Path, sync::atomic::AtomicBool, time::Instant};
fn read(dir:&Path)->Vec<LabelledItem>{
    let text=std::fs::read_to_string(dir.join("items.jsonl")).unwrap();
    text.lines().map(|l|{
        let v:serde_json::Value=serde_json::from_str(l).unwrap();
        let s=|k:&str| v.get(k).and_then(|x|x.as_str()).map(str::to_owned);
        let mut regions=Vec::new();
        if let Some(m)=s("mask"){
            let r=media::decode_image(&std::fs::read(dir.join(m)).unwrap()).unwrap();
            let c=r.channels as usize;
            let rle=MaskRle::from_fn(r.width,r.height,|x,y| r.pixels[(y as usize*r.width as usize+x as usize)*c]>127);
            regions.push(Region::new(s("label").unwrap(),Shape::Mask(rle)));
        }
        if let Some(rs)=v.get("regions").and_then(|r|r.as_array()){ for r in rs { regions.push(serde_json::from_value(r.clone()).unwrap()); } }
        let mut extra=BTreeMap::new();
        for k in ["fold","board"]{ if let Some(f)=v.get(k){extra.insert(k.to_owned(),f.clone());} }
        let name=s("media").unwrap();
        let class=s("label").or(if v.get("regions").is_some()&&regions.is_empty(){Some("good".into())}else{None});
        LabelledItem{path:dir.join(&name),reference:s("reference").map(|r|dir.join(r)),kind:MediaKind::Image,group:s("group").unwrap_or(name.clone()),name,label:Label{status:LabelStatus::Confirmed,class,regions,transcript:None},votes:vec![],extra}
    }).collect()
}
fn main(){
    let a:Vec<String>=std::env::args().collect();
    let data=Path::new(&a[2]); let items=read(data);
    let folds:Vec<String>=a[3].split(',').map(|f|format!("fold={f}")).collect();
    let filter=Filter::parse(&folds).unwrap();
    let mut items:Vec<LabelledItem>=items.into_iter().filter(|i| a[3]=="all"||filter.matches(i)).collect();
    if a[2].contains("deeppcb"){ let goods:Vec<LabelledItem>=items.iter().step_by(2).map(|i|{let mut g=i.clone(); g.path=g.reference.clone().unwrap(); g.name=format!("{}#ref",g.name); g.label=Label::confirmed("good"); g}).collect(); items.extend(goods); for i in &mut items { i.group=i.name.trim_end_matches("#ref").to_owned(); } }
    let out=Path::new(&a[4]);
    let cancel=AtomicBool::new(false);
    if a[1]=="train"{
        let mut s=TrainSettings{epochs:Some(a[5].parse().unwrap()),..Default::default()};
        if let Some(n)=a.get(6){s.name=n.clone();}
        if let Some(n)=a.get(7){s.seed=n.parse().unwrap();}
        for kv in a.iter().skip(8){ let (k,v)=kv.split_once('=').unwrap(); match k { "rate"=>s.rate=v.parse().unwrap(), "rotate"=>s.augmentation.rotate_deg=v.parse().unwrap(),"scale"=>s.augmentation.scale=v.parse().unwrap(),"light"=>s.augmentation.light=v.parse().unwrap(),"noise"=>s.augmentation.noise=v.parse().unwrap(),"ev"=>s.evidence_share=v.parse().unwrap(),"val"=>s.validation_share=v.parse().unwrap(),"batch"=>s.batch=v.parse().unwrap(),"side"=>{let n:u32=v.parse().unwrap(); s.input=Some(InputSpec{width_px:n,height_px:n,channels:1,levels:Levels::PerItem,mean:vec![0.5],std:vec![0.165],view:View::Single,reference:false});},"flip"=>{s.augmentation.flip_x=false;s.augmentation.flip_y=false;},"shift"=>s.augmentation.shift=v.parse().unwrap(),"command"=>s.command=v.into(),"description"=>s.description=v.into(),"licence"=>s.licence=v.into(),_=>panic!("{k}")} }
        let mut e=0;
        let t=Instant::now();
        let r=train(&items,&s,None,&cancel,&mut |p|{ if p.epoch!=e||(p.done>0.0&&p.loss==0.0){ if p.loss==0.0 {println!("epoch {} val {:?} best {:?} {:.0}s left {:?}",p.epoch,p.validation,p.best,p.seconds,p.seconds_left);} e=p.epoch; } else if (p.done*2000.0) as i64 % 50==0 {println!("  {} loss {:.3} {:.0}s",p.epoch,p.loss,p.seconds);} }).unwrap();
        r.model.save(out).unwrap();
        println!("{:?} epochs {} best {} skipped {:?}",t.elapsed(),r.epochs,r.best_epoch,r.skipped.len());
        println!("{:?} {:?} {:?}",r.model.manifest().input,r.model.manifest().calibration,r.model.manifest().regions);
        for (k,m) in &r.metrics{println!("{k} {:.4} [{:.4} {:.4}] n {}",m.value,m.low,m.high,m.n);}
        println!("weights {}",r.model.manifest().weights_blake3);
    } else {
        let m=Model::load(out).unwrap();
        let ev=evaluate(&m,&items,1,&cancel,&mut |_,_|{}).unwrap();
        println!("{}",serde_json::to_string_pretty(&ev.report).unwrap());
        for p in &ev.predictions { println!("ROW {}",serde_json::to_string(p).unwrap()); }
    }
}
