// The page: what the stream tells goes to the table, the tiles, the charts; what a human wants goes back.

import { $, el, say, setClock, now, span, words } from './dom.js'
import { Closed, enter, listen, post, get } from './stream.js'
import { Table } from './table.js'
import { Detail, line } from './detail.js'
import { charts, states } from './charts.js'
import * as cells from './cells.js'

const STATES = ['authenticated', 'refreshing', 'authorizing', 'exchanging', 'idle', 'logged_out']
const MOST_EVENTS = 60
let shown = null // what the charts were drawn from
let about = { actions: false, sign_in: false, switches: [] }, health = { well: true, store: '' }

const may = () => about.actions
const table = new Table($('grid'), { open: id => detail.open(id).catch(complain), act, may })
const detail = new Detail($('detail'), { act, copy, may, closed: id => table.back(id) })

const on = {
  about(told) {
    about = told
    $('all').hidden = !about.actions
    switches()
    table.paint()
  },
  health(told) { health = told; tiles() },
  all(told) { change(told, true) },
  changes(told) { change(told, false) },
}

function change(told, whole) {
  setClock(told.at)
  for (const row of told.rows) if (!about.sign_in) row.actions = row.actions.filter(name => name !== 'sign_in')
  table.set(told.rows, told.gone, whole)
  shown = { ...told.charts, at: told.at }
  chips(); charts(shown); events(told.events, whole); tick()
  if (whole || told.rows.some(row => row.id === detail.id)) detail.changed()
}

// ── at a glance ──

function tiles() {
  const rows = [...table.rows.values()]
  const live = rows.filter(row => row.live), broken = rows.filter(row => row.broken).length
  const due = live.filter(row => row.renews_at).sort((a, b) => a.renews_at - b.renews_at)[0]
  const skews = live.filter(row => row.clock_skew !== null).sort((a, b) => Math.abs(b.clock_skew) - Math.abs(a.clock_skew)), worst = skews[0]
  const off = worst && Math.abs(worst.clock_skew) >= 2
  const box = $('tiles')
  const tile = (kind, name, said, more) => {
    const made = box.querySelector(`[data-tile="${name}"]`) ?? box.appendChild(el('div', { data: { tile: name } }, el('h2', {}, name), el('p', { class: 'big' }), el('p', { class: 'more' })))
    made.className = `tile ${kind}`
    say(made.children[1], said); say(made.children[2], more)
  }
  tile('good', 'Signed in', `${live.length} of ${rows.length}`, `${new Set(live.map(row => row.provider)).size} of ${new Set(rows.map(row => row.provider)).size} providers`)
  tile(broken ? 'bad' : '', 'Needs you', String(broken), broken ? 'ended or failed: see below' : 'all is well')
  tile('', 'Next refresh', due ? (due.renews_at > now() ? span(due.renews_at - now()) : 'due') : '–', due ? `${due.label}${due.user ? `, ${due.user}` : ''}` : 'nothing is due')
  tile(health.well ? '' : 'bad', 'Store', health.well ? 'well' : 'unreadable', health.well ? `${health.store}${health.ms === undefined ? '' : `, ${health.ms} ms`}` : health.said)
  tile(off ? 'bad' : '', 'Clocks', worst ? (off ? `${span(Math.abs(worst.clock_skew))} off` : 'in step') : 'not known', worst ? (off ? `${worst.label} is ${worst.clock_skew > 0 ? 'ahead' : 'behind'}` : `with ${new Set(skews.map(row => row.provider)).size} ${skews.length === 1 ? 'provider' : 'providers'}`) : 'no ID token tells it')
}

function chips() {
  const rows = [...table.rows.values()]
  const count = { '': rows.length, broken: rows.filter(row => row.broken).length }
  for (const row of rows) count[row.state] = (count[row.state] ?? 0) + 1
  const names = ['', ...STATES.filter(state => count[state]), ...(count.broken ? ['broken'] : [])]
  if (!names.includes(table.only)) names.push(table.only)
  const focused = $('chips').contains(document.activeElement) ? document.activeElement.dataset.only : null
  $('chips').replaceChildren(...names.map(name => el('button', {
    type: 'button', class: 'chip', data: { only: name }, 'aria-pressed': String(table.only === name),
    on: { click: () => { table.only = name; table.root.scrollTop = 0; table.arrange(); chips() } },
  }, name === '' ? 'all' : name === 'broken' ? 'needs you' : words(name), el('b', {}, String(count[name] ?? 0)))))
  if (focused !== null) $('chips').querySelector(`[data-only="${focused}"]`)?.focus()
}

const heard = []
function events(more, whole) {
  if (whole) heard.length = 0
  heard.push(...more)
  heard.splice(0, Math.max(0, heard.length - MOST_EVENTS))
  const shown = heard.length ? heard.toReversed().map(event => {
    const made = line(event)
    made.querySelector('time').after(el('b', {}, [table.rows.get(event.id)?.label ?? event.provider, event.account].filter(Boolean).join(' · ')))
    return made
  }) : [el('li', { class: 'none' }, 'Nothing since this dashboard was started.')]
  $('events').replaceChildren(...shown)
  const last = more.findLast(event => event.source !== event.target)
  if (last && !whole) announce(`${last.provider}: ${words(last.target)}${last.error ? `. ${last.error}` : ''}`)
}

let spoken = 0, waiting = ''
function announce(text) { // for who hears the page: the newest, at most every two seconds
  waiting = text
  if (spoken) return
  const speak = () => { if (waiting) { $('status').textContent = waiting; waiting = ''; spoken = setTimeout(speak, 2000) } else spoken = 0 }
  speak()
}

// ── what a human wants ──

async function act(row, name) {
  const tab = name === 'sign_in' || name === 'sign_out_everywhere' ? open('about:blank') : null
  try {
    const told = await post('api/act', { action: name, id: row.id })
    arrive(tab, told, row)
  } catch (error) { tab?.close(); complain(error) }
}

function arrive(tab, told, row) {
  if (!told.go) { tab?.close(); return notice(`${row.label}: ${told.said}`) }
  if (tab) { tab.opener = null; tab.location = new URL(told.go, location.href); return notice(`${row.label}: ${told.said}`) }
  notice(`${row.label}: ${told.said}`, el('a', { href: told.go, target: '_blank', rel: 'noopener noreferrer' }, 'Open the provider’s page'))
}

function complain(error) { notice(error.message, error.hint ? el('em', {}, error.hint) : '', 'bad') }

function notice(text, more = '', kind = '') {
  const made = el('div', { class: `notice ${kind}` }, el('p', {}, text, ' ', more), el('button', { type: 'button', class: 'close', 'aria-label': 'Dismiss', on: { click: () => made.remove() } }, '✕'))
  const box = $('notices'), host = $('detail').open ? $('detail') : document.body
  if (box.parentNode !== host) host.append(box) // above a dialog, which would cover it
  box.append(made)
  while (box.children.length > 3) box.firstChild.remove()
  if (kind !== 'bad' && more === '') setTimeout(() => made.remove(), 5000)
}

async function copy(row) {
  try {
    const { text } = await get(`api/bundle?id=${encodeURIComponent(row.id)}`)
    try { await navigator.clipboard.writeText(text); notice('Diagnostics copied. They hold no secret and no name.') } catch { ask('Diagnostics', [el('textarea', { readonly: true, rows: '14', 'aria-label': 'Diagnostics' }, text)], []) }
  } catch (error) { complain(error) }
}

function ask(title, what, ways) {
  const dialog = $('ask')
  dialog.replaceChildren(el('h2', { id: 'ask-h' }, title), ...what, el('div', { class: 'acts' },
    ...ways.map(([name, act]) => el('button', { type: 'button', on: { click: () => { dialog.close(); act() } } }, name)),
    el('button', { type: 'button', class: 'quiet', on: { click: () => dialog.close() } }, 'Close')))
  dialog.showModal()
}

$('all').addEventListener('click', () => {
  const end = action => async () => { try { notice((await post('api/act', { action, all: true })).said) } catch (error) { complain(error) } }
  ask('Sign out all sessions', [el('p', {}, 'Every session of the store ends, those of other accounts and owners too.')],
    [['Here only', end('sign_out_here')], ['Here, and revoke the tokens', end('sign_out_and_revoke')]])
})

function switches() {
  $('switches').hidden = !about.switches.length
  const groups = Map.groupBy(about.switches, one => one.group)
  $('switches').replaceChildren(...[...groups].map(([name, ones]) => el('div', { role: 'group', 'aria-label': name || 'Switches' }, name ? el('b', {}, name) : '', ...ones.map(one => {
    const button = el('button', { type: 'button', title: one.help, 'aria-pressed': one.turned ? String(one.on) : undefined }, one.on && one.turned ? one.turned : one.label)
    button.addEventListener('click', async () => {
      try { one.on = (await post('api/switch', { name: one.name, on: one.turned ? !one.on : true })).on } catch (error) { return complain(error) }
      if (one.turned) { button.setAttribute('aria-pressed', String(one.on)); button.textContent = one.on ? one.turned : one.label } else notice(`${[one.group, one.label].filter(Boolean).join(': ')}. Done.`)
    })
    return button
  }))))
}

$('find').addEventListener('input', () => { table.filter = $('find').value; table.root.scrollTop = 0; table.arrange() })
addEventListener('keydown', event => {
  if (event.key === '/' && !event.target.closest('input,textarea,dialog')) { event.preventDefault(); $('find').focus() }
})

// What moves with the clock: each second while something runs out soon, else seldom; not at all out of sight.
let ticking = 0
function tick() {
  clearTimeout(ticking)
  if (!document.hidden) {
    table.tick(); tiles(); if (shown) states(shown, table.rows)
    const near = [...table.made.values()].some(({ row }) => row.live && row.expires_at !== null && row.expires_at - now() < 180 && row.expires_at > now() || row.deadline || now() - row.since < 120)
    ticking = setTimeout(tick, near ? 1000 : 10000)
  } else document.addEventListener('visibilitychange', tick, { once: true })
}

function closed(why) {
  $('open').hidden = true; $('closed').hidden = false
  $('closed').querySelector('p').textContent = why
  link('none')
}

function link(how) {
  $('link').dataset.link = how
  $('link').lastElementChild.textContent = { wait: 'connecting', live: 'live', cut: 'reconnecting', none: 'not connected' }[how]
}

try {
  await enter()
  $('open').hidden = false
  await listen(on, link)
} catch (error) {
  closed(error instanceof Closed ? error.message : 'The dashboard does not answer. Is it still running?')
}
