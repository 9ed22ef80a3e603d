/** The page's script: the cell under the pointer or the keyboard, and the switch between states and topics. */
export const MAP_SCRIPT = `{
const data=JSON.parse(document.getElementById('cells')?.textContent??'{"rows":[]}'),panel=document.querySelector('.detail'),views=document.querySelector('.views')
const unit=n=>{let u=0;for(;n>=1023.5&&u<5;u++)n/=1024;return(u===0?n:n<9.995?n.toFixed(2):n<99.95?n.toFixed(1):Math.round(n))+' '+['B','KiB','MiB','GiB','TiB','PiB'][u]}
const tag=(name,text)=>{const e=document.createElement(name);if(text!==undefined)e.textContent=text;return e}
let at
const show=(hit,index)=>{const row=data.rows[hit.dataset.row];at=Math.max(0,Math.min(row.length-1,index))
const [from,size,kinds,topics,open,memory]=row[at],step=Number(hit.getAttribute('width'))/row.length
for(const each of document.querySelectorAll('.here'))each.style.visibility='hidden'
const here=hit.ownerSVGElement.querySelector('.here')
here.setAttribute('x',Number(hit.getAttribute('x'))+at*step);here.setAttribute('y',hit.getAttribute('y'));here.setAttribute('width',step);here.style.visibility='visible'
const parts=[tag('b',(from===0?'0':unit(from))+' + '+unit(size))]
for(const [kind,bytes] of kinds){const dot=tag('i');const name=data.kinds[kind][0];dot.style.background=name==='garbage'?'var(--map-garbage)':'var(--map-'+name+')';if(name==='free')dot.style.border='1px solid var(--frame)';parts.push(dot,data.kinds[kind][1]+' '+unit(bytes))}
const more=topics.map(([topic,bytes])=>data.topics[topic]+' '+unit(bytes))
if(open>0)more.push(unit(open)+' not on disk')
if(memory>=0)more.push(Math.round(100*memory/size)+' % in memory')
panel.replaceChildren(...parts,tag('br'),tag('small',more.join(' · ')))}
const columnAt=(hit,x)=>{const box=hit.getBoundingClientRect();return Math.floor((x-box.left)/box.width*data.rows[hit.dataset.row].length)}
for(const hit of document.querySelectorAll('.hit')){for(const type of ['pointermove','pointerdown'])hit.addEventListener(type,e=>show(hit,columnAt(hit,e.clientX)))
hit.addEventListener('focus',()=>{if(!hit.matches(':hover'))show(hit,0)})
hit.addEventListener('keydown',e=>{const move={ArrowLeft:-1,ArrowRight:1,PageUp:-10,PageDown:10,Home:-1e9,End:1e9}[e.key];if(move!==undefined){e.preventDefault();show(hit,at+move)}})}
if(panel!==null)panel.hidden=false
if(views!==null){views.hidden=false;for(const each of views.children)each.addEventListener('click',()=>{document.documentElement.dataset.view=each.dataset.view;for(const other of views.children)other.setAttribute('aria-pressed',String(other===each))})}
}`
