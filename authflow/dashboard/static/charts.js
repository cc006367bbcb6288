// Three small drawings: how long renewals took, what went well and failed by hour, how long in each state.

import { $, el, shape, span, clock, now } from './dom.js'

const WIDE = 360, HIGH = 120
const STATES = ['idle', 'authorizing', 'exchanging', 'authenticated', 'refreshing', 'logged_out']

export function charts(told) {
  latency(told); hours(told)
}

function put(name, told, ...what) {
  $(name).replaceChildren(...what, el('p', { class: 'told' }, told))
}

const picture = (said, ...kids) => shape('svg', { viewBox: `0 0 ${WIDE} ${HIGH}`, role: 'img', 'aria-label': said, preserveAspectRatio: 'none' }, ...kids)
const none = (name, said) => $(name).replaceChildren(el('p', { class: 'none' }, said))
const ms = seconds => seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(2)} s`

function latency({ latencies, since }) {
  if (!latencies.length) return none('latency', `No renewal since ${clock(since)}.`)
  const shown = latencies.slice(-48), most = Math.max(...shown.map(one => one[1]), .001), step = WIDE / Math.max(shown.length, 16)
  const times = shown.map(one => one[1]).sort((a, b) => a - b), at = part => times[Math.min(times.length - 1, Math.floor(times.length * part))]
  const said = `median ${ms(at(.5))}, 95 % within ${ms(at(.95))}, ${shown.length} ${shown.length === 1 ? 'renewal' : 'renewals'}`
  put('latency', said, picture(said, ...shown.map(([, took, well], i) => {
    const high = Math.max(4, (HIGH - 8) * Math.sqrt(took / most))
    return shape('rect', { x: i * step + step * .15, y: HIGH - high, width: step * .7, height: high, rx: Math.min(3, step * .3), class: well ? 'well' : 'badly' })
  })))
}

function hours({ hours }) {
  const most = Math.max(...hours.map(([, well, badly]) => well + badly)), sum = i => hours.reduce((all, one) => all + one[i], 0)
  if (!most) return none('hours', 'Nothing yet in the last 24 hours.')
  const step = WIDE / hours.length, said = `${sum(1)} went well, ${sum(2)} failed in the last 24 hours`
  put('hours', said, picture(said, ...hours.flatMap(([, well, badly], i) => {
    const unit = (HIGH - 6) / most, x = i * step + step * .14, width = step * .72
    if (!well && !badly) return [shape('rect', { x, y: HIGH - 2, width, height: 2, class: 'nothing' })]
    return [
      well && shape('rect', { x, y: HIGH - well * unit, width, height: well * unit, rx: 2, class: 'well' }),
      badly && shape('rect', { x, y: HIGH - (well + badly) * unit, width, height: Math.max(0, badly * unit - (well ? 2 : 0)), rx: 2, class: 'badly' }),
    ].filter(Boolean)
  })))
}

// The numbers are those of `at`; since then every session has gone on in its state.
export function states({ states: then, since, at }, rows) {
  const states = { ...then }, more = Math.max(0, now() - at)
  for (const row of rows.values()) states[row.state] += more
  const all = STATES.reduce((sum, name) => sum + (states[name] ?? 0), 0)
  if (all < 1) return none('states', `Nothing since ${clock(since)}.`)
  const parts = STATES.filter(name => states[name] >= .05)
  const mark = parts.map(name => `${name} ${span(states[name])}`).join()
  if ($('states').mark === mark) return
  $('states').mark = mark
  const bar = el('div', { class: 'parts', 'aria-hidden': 'true' }, ...parts.map(name => {
    const part = el('i', { class: `s-${name}` })
    part.style.flexGrow = Math.max(states[name] / all, .008)
    return part
  }))
  $('states').replaceChildren(bar, el('ul', { class: 'legend' }, ...parts.map(name =>
    el('li', {}, el('i', { class: `s-${name}`, 'aria-hidden': 'true' }), el('span', {}, name.replace('_', ' ')), el('b', {}, span(states[name]))))))
}
