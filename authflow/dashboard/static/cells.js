// What stands in the cells of a row, and what of it moves with the clock.

import { el, span, ago, now, words } from './dom.js'

export const LABELS = {
  sign_in: 'Sign in', refresh: 'Refresh now', cancel: 'Cancel', sign_out_here: 'Sign out here',
  sign_out_and_revoke: 'Sign out and revoke', sign_out_everywhere: 'Sign out everywhere',
}

export const dot = row => el('i', { class: `dot ${row.tone}`, 'aria-hidden': 'true' })
export const who = row => row.user || (row.live ? 'no name told' : '–')
export const account = row => [row.account, row.owner && `visitor ${row.owner}`].filter(Boolean).join(' · ')

export function life(row) {
  if (!row.live || row.expires_at === null || !row.lifetime) return null
  return Math.min(1, Math.max(0, (row.expires_at - now()) / row.lifetime))
}

export function left(row) {
  if (!row.live) return row.deadline ? `${span(row.deadline - now())} left to sign in` : '–'
  if (row.expires_at === null) return 'no end told'
  return row.expires_at > now() ? `${span(row.expires_at - now())} left` : 'has ended'
}

export function renewed(row) {
  if (row.refreshed_at === null) return row.live ? 'not renewed yet' : '–'
  return `${ago(row.refreshed_at)}, ${row.refreshed_here === false ? 'by another process' : 'here'}`
}

export function next(row) {
  if (!row.live) return ''
  if (!row.renewable) return 'cannot be renewed'
  if (row.failures) return `${row.failures} failed${row.renews_at ? `, again ${until(row.renews_at)}` : ''}`
  if (row.renews_at === null) return ''
  return row.ahead ? `next ${until(row.renews_at)}` : row.renews_at > now() ? `due ${until(row.renews_at)}` : 'due when asked for'
}

const until = at => at > now() ? `in ${span(at - now())}` : 'now'
export const age = row => row.live && row.signed_in_at ? span(now() - row.signed_in_at) : '–'
export const kind = row => row.live ? [row.fingerprint, /^dpop$/i.test(row.token_type) ? 'DPoP' : 'Bearer'] : []

export function scopes(row, most = 2) {
  const missing = row.scopes_missing.map(name => el('span', { class: 'scope missing' }, el('span', { class: 'vh' }, 'not granted: '), name))
  const granted = row.scopes.map(name => el('span', { class: 'scope' }, name))
  const all = [...missing, ...granted]
  const more = all.length - most
  return more > 0 ? [...all.slice(0, most), el('span', { class: 'scope more' }, `+${more}`)] : all
}

// A meter that is a picture and a word; `set` moves it.
export function bar() {
  const fill = el('i')
  const made = el('div', { class: 'bar-life', 'aria-hidden': 'true' }, fill)
  made.set = part => {
    const shown = part === null ? -1 : Math.round(part * 300) / 300
    if (made.shown === shown) return
    made.shown = shown
    made.hidden = part === null
    fill.style.transform = `scaleX(${Math.max(0, shown)})`
    made.dataset.low = part !== null && part < .12 ? 'yes' : part < .3 ? 'soon' : 'no'
  }
  return made
}

export const trouble = row => row.broken || (row.error && row.state !== 'authenticated')
  ? [row.error || words(row.reason || 'It ended without your doing.'), row.next_step] : null
