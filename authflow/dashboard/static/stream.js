// The way to the server: the tab's key, requests with it, and the stream that goes on where it was cut.

const KEPT = `authflow-dashboard ${location.pathname}`
const needed = document.documentElement.dataset.key === 'launch'
let key = null

export class Closed extends Error {}

// The launch key comes in the fragment, works once, and leaves the address bar at once.
export async function enter() {
  const launch = location.hash.slice(1)
  if (launch) history.replaceState(null, '', location.pathname)
  if (!needed) return
  key = sessionStorage.getItem(KEPT)
  if (launch) {
    const answer = await fetch('api/launch', {
      method: 'POST', headers: { ...own(launch), 'Content-Type': 'application/json' }, body: '{}',
    })
    const said = await answer.json()
    if (answer.ok) sessionStorage.setItem(KEPT, key = said.key)
    else if (!key) throw new Closed(`${said.error.message} ${said.error.hint}`)
  }
  if (!key) throw new Closed('Open the dashboard by the launch link that was printed where it was started. It works once; press Enter there for another one.')
}

function own(secret) {
  const headers = { 'Authflow-Dashboard': '1' }
  if (secret) headers.Authorization = `Bearer ${secret}`
  return headers
}

export async function get(path) {
  return read(await fetch(path, { headers: own(key) }))
}

export async function post(path, what) {
  return read(await fetch(path, {
    method: 'POST', headers: { ...own(key), 'Content-Type': 'application/json' }, body: JSON.stringify(what),
  }))
}

async function read(answer) {
  const said = await answer.json().catch(() => ({ error: { message: `The dashboard answered ${answer.status}.`, hint: '' } }))
  if (said.error) throw Object.assign(new Error(said.error.message), { hint: said.error.hint })
  return said
}

// Tells `on[event](data)` for ever; `link` whether it is heard. A cut is mended after a pause that grows.
export async function listen(on, link) {
  let last = '', pause = 500
  for (;;) {
    link('wait')
    try {
      const answer = await fetch('api/stream', { headers: { ...own(key), ...(last && { 'Last-Event-ID': last }) } })
      if (answer.status === 401) { sessionStorage.removeItem(KEPT); throw new Closed('The dashboard was started anew. Open it by its new launch link.') }
      if (!answer.ok) throw new Error(answer.status)
      link('live'); pause = 500
      for await (const one of messages(answer.body)) {
        if (one.id) last = one.id
        on[one.event]?.(JSON.parse(one.data))
      }
    } catch (error) {
      if (error instanceof Closed) throw error
    }
    link('cut')
    await new Promise(go => { const timer = setTimeout(go, pause * (.75 + Math.random() / 2)); addEventListener('online', () => { clearTimeout(timer); go() }, { once: true }) })
    pause = Math.min(8000, pause * 1.7)
  }
}

async function* messages(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  let kept = ''
  for (;;) {
    const { value, done } = await reader.read()
    if (done) return
    const parts = (kept + value).split('\n\n')
    kept = parts.pop()
    for (const part of parts) {
      const one = { id: '', event: '', data: '' }
      for (const line of part.split('\n')) {
        const at = line.indexOf(': ')
        if (at > 0) one[line.slice(0, at)] = line.slice(at + 2)
      }
      if (one.event) yield one
    }
  }
}
