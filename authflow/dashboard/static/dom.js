// Small tools: elements whose text is text, times as words, and the one place where markup of the server's is taken.

export const $ = name => document.getElementById(name)

export function el(tag, props = {}, ...kids) {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue
    if (name === 'class') made.className = value
    else if (name === 'on') for (const [what, act] of Object.entries(value)) made.addEventListener(what, act)
    else if (name === 'data') Object.assign(made.dataset, value)
    else made.setAttribute(name, value === true ? '' : value)
  }
  made.append(...kids.filter(kid => kid !== null && kid !== undefined && kid !== ''))
  return made
}

export function shape(tag, props, ...kids) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', tag)
  for (const [name, value] of Object.entries(props)) made.setAttribute(name, value)
  made.append(...kids)
  return made
}

// Text that moves with the clock: what has not changed is not touched, so nothing is drawn anew.
export function say(node, text) {
  if (node.said !== text) node.textContent = node.said = text
}

const policy = window.trustedTypes?.createPolicy('authflow', { createHTML: text => text })

// Drawings and the story's article: made by the server, which escapes every text in them.
export function drawn(html) {
  const box = document.createElement('template')
  box.innerHTML = policy ? policy.createHTML(html) : html
  return box.content
}

let ahead = 0 // seconds that the server's clock is ahead of this one
export const setClock = at => { ahead = at - Date.now() / 1000 }
export const now = () => Date.now() / 1000 + ahead

export function span(seconds) {
  const s = Math.max(0, Math.round(seconds))
  if (s < 120) return `${s} s`
  if (s < 7200) return `${Math.floor(s / 60)} min`
  if (s < 172800) return `${Math.floor(s / 3600)} h`
  return `${Math.floor(s / 86400)} d`
}

export const ago = at => { const s = now() - at; return s < 2 ? 'just now' : `${span(s)} ago` }
export const clock = at => new Date(at * 1000).toLocaleTimeString([], { hour12: false })
export const words = text => text.replaceAll('_', ' ')
