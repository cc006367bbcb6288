"""How the page of a trace looks and moves: its style, and the script that replays a story.

The script reads what the page holds and changes classes; it makes no request and writes no markup. Without it
everything is there, and only the replay is missing. `REPLAY` defines `replay(article)`, for a page that shows the
article of a story among other things.
"""

from __future__ import annotations

from typing import Final

STYLE: Final = """
main{overflow-wrap:anywhere}
header{margin:0 0 4px}
.head{display:flex;flex-wrap:wrap;gap:8px 12px;align-items:center}
.pill{font-size:13px;font-weight:650;padding:2px 11px;border-radius:99px;border:1.5px solid}
.pill.good{background:var(--good);color:var(--enter-text);border-color:var(--good-line)}
.pill.bad{background:var(--band-bad);color:var(--fail-text);border-color:var(--fail)}
.pill.busy{background:var(--busy);color:var(--hot);border-color:var(--busy-line)}
.pill.end{background:var(--end);color:var(--ink);border-color:var(--end-line)}
.meta{color:var(--muted);margin:6px 0 0;max-width:none}
.meta b{color:var(--ink);font-weight:600}
.why{border:1.5px solid var(--fail);border-radius:14px;background:var(--band-bad);padding:14px 18px;margin:20px 0 0}
.why h2{color:var(--fail-text);font-size:17px;letter-spacing:0;text-transform:none;margin:0 0 4px}
.why p{color:var(--ink);margin:0 0 6px}
.why dl{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:3px 16px;margin:8px 0 0;font-size:14px}
.why dt{color:var(--text)}
.why dd{margin:0;overflow-wrap:anywhere}
.time{display:flex;flex-wrap:wrap;gap:6px;list-style:none;padding:0;margin:0}
.time li{flex-basis:0;min-width:max-content;border:1.5px solid;border-radius:11px;padding:9px 14px 11px;line-height:1.4}
.time b{display:block;font-size:15px;font-weight:600}
.time small{font-size:13px;font-weight:500;color:var(--text);padding-left:4px}
.time span{font-size:13px;color:var(--text)}
.time .start{background:var(--start);border-color:var(--start-line)}
.time .busy{background:var(--busy);border-color:var(--busy-line)}
.time .good{background:var(--good);border-color:var(--good-line)}
.time div{display:flex;gap:2px;height:5px;margin-top:8px}
i.human{background:var(--current)}
i.provider{background:var(--busy-line)}
i.other{background:var(--missed)}
i.here{background:var(--good-line)}
.time i{border-radius:3px;min-width:4px}
.sum{display:flex;flex-wrap:wrap;gap:4px 20px;margin:11px 0 0;font-size:14px;color:var(--text);max-width:none}
.sum i{display:inline-block;width:11px;height:11px;border-radius:4px;margin-right:7px}
@media (max-width:640px){.time li{min-width:0;flex-basis:100%}}
.replay{display:none;position:sticky;top:0;z-index:2;gap:10px 14px;align-items:center;padding:11px 0;margin-top:8px;
background:var(--page)}
.js .replay{display:flex;flex-wrap:wrap}
.replay input{flex:1 1 180px;min-width:120px;height:24px;accent-color:var(--hot);margin:0}
.replay output{color:var(--muted);font-size:14px;min-width:21ch;font-variant-numeric:tabular-nums}
button{font:600 14px/1.3 inherit;font-family:inherit;border:1px solid var(--end-line);border-radius:9px;
background:var(--page);color:var(--ink);padding:6px 14px;cursor:pointer}
button:hover{border-color:var(--hot);color:var(--hot)}
.step{padding:6px 11px}
.tools{display:none;flex-wrap:wrap;gap:10px;align-items:center;margin:12px 0 0}
.js .tools{display:flex}
.wide{overflow-x:auto}
td.sign{white-space:nowrap;font-weight:650}
.passed{color:var(--enter-text)}
.failed{color:var(--fail-text)}
td.value{font-family:ui-monospace,'SF Mono',Menlo,Consolas,'DejaVu Sans Mono',monospace;font-size:13px;
overflow-wrap:anywhere;white-space:normal!important;min-width:12ch}
details{margin:16px 0 0}
summary{cursor:pointer;font-weight:600;color:var(--text);padding:4px 0}
pre{white-space:pre-wrap;overflow-wrap:anywhere;font-size:12.5px;background:var(--band-start);border-radius:10px;
padding:12px 14px;margin:8px 0 0}
article+article{border-top:1px solid var(--line);margin-top:44px;padding-top:34px}
article h1,article h2.title{font-size:23px;line-height:1.25;letter-spacing:-.01em;text-transform:none;color:var(--ink);
font-weight:700;margin:0}
.axis{list-style:none;margin:10px 0 40px;padding:0;display:grid;
grid-template-columns:max-content minmax(0,max-content) max-content 1fr;column-gap:26px}
.axis li{display:grid;grid-template-columns:subgrid;grid-column:1/-1;align-items:center;padding:6px 0;
border-bottom:1px solid var(--line)}
.axis li:last-child{border:0}
.axis .pill{justify-self:start}
.axis time,.axis span:last-child{color:var(--muted);font-variant-numeric:tabular-nums;font-size:14px}
[data-story] rect{cursor:pointer}
a:hover [data-story] rect,a:focus-visible [data-story] rect{stroke:var(--ink);stroke-width:2}
@media (max-width:640px){.axis{display:block}.axis li{display:flex;flex-wrap:wrap;gap:4px 12px}
td.value{min-width:24ch}}
footer{margin-top:40px;color:var(--muted);font-size:13px}
.js [data-message].off{opacity:.17}
.js [data-message].now>path{stroke-width:2.6}
.js [data-edge][data-steps].off,.js [data-label][data-steps].off{opacity:.4}
.js [data-badge].off{display:none}
[data-state].on>rect:nth-of-type(2){stroke:var(--current);stroke-width:4}
@media (prefers-reduced-motion:no-preference){[data-message],[data-edge],[data-label]{transition:opacity .18s}}
@media print{.replay,.tools{display:none!important}.time,.sum,.pill,.why{print-color-adjust:exact}
.js [data-message].off,.js [data-edge].off,.js [data-label].off{opacity:1}
.js [data-badge].off{display:inline}details:not([open]) pre{display:none}article{break-before:auto}}
"""

REPLAY: Final = """
document.documentElement.classList.add('js');
let current;
const replay=root=>{
const all=selector=>[...root.querySelectorAll(selector)],slider=root.querySelector('input[type=range]');
const frames=JSON.parse(root.dataset.frames),messages=all('[data-message]');
const steps=all('[data-steps]'),badges=all('[data-badge]'),states=all('[data-state]');
const told=root.querySelector('output'),play=root.querySelector('.play');let timer=0;
const show=n=>{
slider.value=n;const frame=n?frames[n-1]:[0,root.dataset.first,''];
messages.forEach((one,i)=>{one.classList.toggle('off',i>=n);one.classList.toggle('now',i===n-1&&n<frames.length)});
steps.forEach(one=>one.classList.toggle('off',!one.dataset.steps.split(' ').some(step=>+step<=frame[0])));
badges.forEach(one=>{const taken=one.dataset.badge.split(' ').filter(step=>+step<=frame[0]);
one.classList.toggle('off',!taken.length);if(taken.length){const shown=taken.length>4?[taken[0],taken[1],'…',
taken[taken.length-1]]:taken;one.querySelector('text').textContent=shown.join(' ')}});
states.forEach(one=>one.classList.toggle('on',one.dataset.state===frame[1]));
const where=n?'message '+n+' of '+frames.length+' · '+frame[2]+' · '+frame[1]:'before the first message';
told.textContent=where;slider.setAttribute('aria-valuetext',where)};
const stop=()=>{clearInterval(timer);timer=0;play.textContent='Play'};
const follow=n=>{const shown=messages[n-1],lit=states.find(one=>one.classList.contains('on'));
[shown,lit].forEach(one=>{const card=one&&one.closest('.card');if(!card)return;
const part=one.getBoundingClientRect(),room=card.getBoundingClientRect();
if(part.left<room.left||part.right>room.right)
card.scrollLeft+=(part.left+part.right-room.left-room.right)/2});
if(shown){const part=shown.getBoundingClientRect(),top=play.parentElement.getBoundingClientRect().bottom;
if(part.bottom>innerHeight)scrollBy(0,part.bottom-innerHeight+40);
else if(part.bottom<top)scrollBy(0,part.top-top-40)}};
const go=n=>{stop();show(Math.max(0,Math.min(frames.length,n)));follow(+slider.value)};
const start=()=>{if(timer)return stop();if(+slider.value>=frames.length)show(0);play.textContent='Pause';
timer=setInterval(()=>{show(+slider.value+1);follow(+slider.value);if(+slider.value>=frames.length)stop()},550)};
slider.addEventListener('input',()=>go(+slider.value));play.addEventListener('click',start);
root.querySelector('.back').addEventListener('click',()=>go(+slider.value-1));
root.querySelector('.on-one').addEventListener('click',()=>go(+slider.value+1));
all('button[data-copy]').forEach(button=>button.addEventListener('click',async()=>{
const source=document.getElementById(button.dataset.copy),said=root.querySelector('.copied');
try{await navigator.clipboard.writeText(source.textContent);said.textContent='Copied.'}
catch{const range=document.createRange();source.closest('details').open=true;range.selectNodeContents(source);
getSelection().removeAllRanges();getSelection().addRange(range);
said.textContent=document.execCommand('copy')?'Copied.':'Selected: copy it with the keyboard.'}}));
show(frames.length);root.addEventListener('pointerdown',()=>{current=self});
const self={root,go,at:()=>+slider.value,last:frames.length};return self};
document.addEventListener('keydown',event=>{
if(!current||event.altKey||event.ctrlKey||event.metaKey||event.target.closest('input,button,a,summary,[tabindex]'))return;
const to={ArrowLeft:current.at()-1,ArrowRight:current.at()+1,Home:0,End:current.last}[event.key];
if(to===undefined)return;event.preventDefault();current.go(to)});
"""

SCRIPT: Final = REPLAY + "current=[...document.querySelectorAll('article')].map(replay)[0];\n"
