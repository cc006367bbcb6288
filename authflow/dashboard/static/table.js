// The grid of sessions. Only the rows in sight exist: a thousand sessions scroll like ten.

import { el, ago, say, words } from './dom.js'
import * as cells from './cells.js'

const OVERSCAN = 6
const HEADS = ['State', 'Provider', 'User', 'Token', 'Refresh', 'Scopes', 'Age', 'Store', 'Actions']

export class Table {
  constructor(root, { open, act, may }) {
    Object.assign(this, { root, open, act, may })
    this.rows = new Map(); this.shown = []; this.tops = [0]; this.made = new Map()
    this.active = null; this.filter = ''; this.only = ''
    this.head = el('div', { class: 'head-row', role: 'row', 'aria-rowindex': '1' },
      ...HEADS.map((name, i) => el('span', { role: 'columnheader', class: `c${i}` }, name)))
    this.body = el('div', { class: 'rows', role: 'rowgroup' })
    this.empty = el('p', { class: 'empty', hidden: true }, 'No session is shown by this filter.')
    root.append(el('div', { role: 'rowgroup', class: 'heads' }, this.head), this.body, this.empty)
    root.addEventListener('scroll', () => this.later(), { passive: true })
    root.addEventListener('keydown', event => this.key(event))
    root.addEventListener('click', event => this.click(event))
    new ResizeObserver(() => { this.measure(); this.later() }).observe(root)
  }

  set(rows, gone, whole) {
    if (whole) this.rows.clear()
    for (const id of gone) this.rows.delete(id)
    for (const row of rows) this.rows.set(row.id, row)
    this.arrange()
  }

  arrange() {
    const wanted = this.filter.toLowerCase().split(/\s+/).filter(Boolean)
    this.shown = [...this.rows.values()].filter(row => {
      if (this.only === 'broken' ? !row.broken : this.only && row.state !== this.only) return false
      const text = [row.provider, row.label, row.host, row.user, row.account, row.owner, row.state, ...row.scopes].join(' ').toLowerCase()
      return wanted.every(word => text.includes(word))
    }).sort((a, b) => a.provider.localeCompare(b.provider) || a.account.localeCompare(b.account) || a.owner.localeCompare(b.owner))
    this.root.setAttribute('aria-rowcount', this.shown.length + 1)
    this.empty.hidden = this.shown.length > 0 || this.rows.size === 0
    if (!this.shown.some(row => row.id === this.active)) this.active = this.shown[0]?.id ?? null
    this.measure(); this.paint()
  }

  measure() {
    const style = getComputedStyle(this.root)
    const plain = parseFloat(style.getPropertyValue('--row')), more = parseFloat(style.getPropertyValue('--trouble'))
    this.tops = [0]
    for (const row of this.shown) this.tops.push(this.tops.at(-1) + plain + (cells.trouble(row) ? more : 0))
    this.body.style.height = `${this.tops.at(-1)}px`
  }

  later() {
    if (this.asked) return
    this.asked = requestAnimationFrame(() => { this.asked = 0; this.paint() })
  }

  at(y) { // the first row that reaches below y
    let low = 0, high = this.shown.length
    while (low < high) { const mid = (low + high) >> 1; if (this.tops[mid + 1] <= y) low = mid + 1; else high = mid }
    return low
  }

  paint() {
    const top = this.root.scrollTop
    const first = Math.max(0, this.at(top) - OVERSCAN), last = Math.min(this.shown.length, this.at(top + this.root.clientHeight) + OVERSCAN + 1)
    const active = this.shown.findIndex(row => row.id === this.active) // it has the focus, so it stays
    const wanted = []
    for (let i = first; i < last; i++) wanted.push(i)
    if (active >= 0 && active < first) wanted.unshift(active)
    if (active >= last) wanted.push(active)
    const ids = new Set(wanted.map(i => this.shown[i].id))
    for (const [id, made] of this.made) if (!ids.has(id)) { made.node.remove(); this.made.delete(id) }
    wanted.forEach((i, n) => {
      const row = this.shown[i]
      let made = this.made.get(row.id)
      if (!made) this.made.set(row.id, made = { node: el('div', { role: 'row', class: 'row' }), row: null })
      if (made.row !== row || made.may !== this.may()) this.fill(made, row)
      made.node.style.transform = `translateY(${this.tops[i]}px)`
      made.node.style.height = `${this.tops[i + 1] - this.tops[i]}px`
      made.node.setAttribute('aria-rowindex', i + 2)
      const focus = row.id === this.active ? 0 : -1
      made.node.tabIndex = focus
      for (const button of made.node.querySelectorAll('button')) button.tabIndex = focus
      if (this.body.children[n] !== made.node) this.body.insertBefore(made.node, this.body.children[n] ?? null)
    })
  }

  fill(made, row) {
    const changed = made.row && made.row.state !== row.state
    const focused = made.node.contains(document.activeElement) ? document.activeElement.dataset.act : undefined
    const bar = cells.bar(), since = el('small'), left = el('span'), renewed = el('span'), next = el('small'), age = el('span')
    const [print, type] = cells.kind(row)
    const trouble = cells.trouble(row)
    const act = this.may() && row.actions[0]
    const cell = (i, ...kids) => el('div', { role: 'gridcell', class: `c${i}` }, ...kids)
    made.node.dataset.id = row.id
    made.node.className = `row tone-${row.tone}`
    made.node.replaceChildren(
      cell(0, cells.dot(row), el('div', {}, el('b', {}, words(row.state)), since)),
      cell(1, el('b', {}, row.label), el('small', {}, row.host)),
      cell(2, el('span', { class: 'strong' }, cells.who(row)), el('small', {}, cells.account(row))),
      cell(3, el('div', { class: 'token' }, left, bar), print ? el('small', {}, el('code', {}, print), ` ${type}`) : ''),
      cell(4, renewed, next),
      cell(5, ...cells.scopes(row)),
      cell(6, age),
      cell(7, el('span', {}, row.saved ? `v${row.version}` : 'not saved'), el('small', {}, row.store)),
      cell(8, act ? el('button', { type: 'button', data: { act } }, cells.LABELS[act]) : '',
        el('button', { type: 'button', class: 'quiet', data: { act: 'open' }, 'aria-label': `Details of ${row.label} ${row.user}` }, 'Details')),
      trouble ? el('div', { role: 'gridcell', class: 'trouble' }, el('span', {}, trouble[0]), trouble[1] ? el('em', {}, trouble[1]) : '') : '',
    )
    Object.assign(made, { row, may: this.may() })
    made.tick = () => {
      say(since, row.since ? `since ${ago(row.since)}`.replace(' ago', '').replace('since just now', 'just now') : '')
      bar.set(cells.life(row)); say(left, cells.left(row))
      say(renewed, cells.renewed(row)); say(next, cells.next(row)); say(age, cells.age(row))
    }
    made.tick()
    if (focused) (made.node.querySelector(`[data-act="${focused}"]`) ?? made.node).focus()
    if (changed) { made.node.classList.add('changed'); setTimeout(() => made.node.classList.remove('changed'), 900) }
  }

  tick() { for (const made of this.made.values()) made.tick() }

  click(event) {
    const row = this.rows.get(event.target.closest('.row')?.dataset.id)
    if (!row) return
    this.active = row.id
    const act = event.target.closest('button')?.dataset.act ?? 'open'
    this.paint()
    if (act === 'open') { if (!String(getSelection())) this.open(row.id) } else this.act(row, act)
  }

  key(event) {
    const i = this.shown.findIndex(row => row.id === this.active)
    const page = Math.max(1, Math.floor(this.root.clientHeight / 90))
    const to = { ArrowDown: i + 1, ArrowUp: i - 1, PageDown: i + page, PageUp: i - page, Home: 0, End: this.shown.length - 1 }[event.key]
    if (to !== undefined && this.shown.length) {
      event.preventDefault()
      this.focus(Math.max(0, Math.min(this.shown.length - 1, to)))
    } else if ((event.key === 'Enter' || event.key === ' ') && event.target.classList.contains('row')) {
      event.preventDefault(); this.open(this.active)
    }
  }

  focus(i) {
    this.active = this.shown[i].id
    const heads = this.head.offsetHeight, top = this.tops[i], end = this.tops[i + 1] + heads
    if (top < this.root.scrollTop) this.root.scrollTop = top
    else if (end > this.root.scrollTop + this.root.clientHeight) this.root.scrollTop = end - this.root.clientHeight
    this.paint()
    this.made.get(this.active)?.node.focus({ preventScroll: true })
  }

  back(id) {
    const i = this.shown.findIndex(row => row.id === id)
    if (i >= 0) this.focus(i)
  }
}
