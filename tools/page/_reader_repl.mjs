import http from 'node:http';
import * as h from './harness.mjs';
import * as fs from 'node:fs';
const S = { h, fs };
S.site = await h.serve('/tmp/site');
S.browser = await h.launch(process.env.NOGPU ? {gpu:false} : {});
S.page = await h.open(S.browser, S.site.url);
S.shot = (name, o={}) => S.page.screenshot({path:`/tmp/reader/${name}.png`, ...o});
S.sleep = ms => new Promise(r=>setTimeout(r,ms));
S.snap = (sel='body') => S.page.locator(sel).first().ariaSnapshot();
S.txt = (sel='main') => S.page.locator(sel).first().innerText();
const AF = Object.getPrototypeOf(async function(){}).constructor;
http.createServer(async (q,r)=>{ let b=''; for await (const c of q) b+=c;
 if(b==='QUIT'){ r.end('bye'); h.noMoreMessages(); await S.browser.close(); process.exit(0);} 
 const out=[]; const log=(...a)=>out.push(a.map(x=>typeof x==='string'?x:JSON.stringify(x)).join(' '));
 try { const v = await new AF('S','log',`const {page,shot,sleep,snap,txt,h,fs,site,browser}=S;\n${b}`)(S,log); if(v!==undefined) log(v);} catch(e){ log('ERR '+e.message.slice(0,1500)); }
 r.end(out.join('\n')+'\n'); }).listen(7799,'127.0.0.1');
