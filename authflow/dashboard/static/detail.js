// One session, whole: what it is, what can be done, the chart as it stands, its stories with their replay, its events.

import { $, el, drawn, ago, clock, span, now, words } from './dom.js'
import { get } from './stream.js'
import * as cells from './cells.js'

export class Detail {
  constructor(dialog, { act, copy, may, closed }) {
    Object.assign(this, { dialog, act, copy, may, id: null, story: null, asked: 0 })
    dialog.addEventListener('close', () => { const id = this.id; this.id = null; globalThis.stopReplay?.(); closed(id) })
    dialog.addEventListener('click', event => { if (event.target === dialog) dialog.close() })
  }

  async open(id) {
    this.id = id; this.chosen = null; this.shownStory = ''
    this.parts = {
      head: el('div', { class: 'd-head' }), facts: el('dl', { class: 'facts' }), acts: el('div', { class: 'acts', role: 'group', 'aria-label': 'Actions' }),
      chart: el('div', { class: 'card', tabindex: '0', role: 'group', 'aria-label': 'The chart with the present state' }),
      tabs: el('div', { class: 'tabs', role: 'group', 'aria-label': 'Stories' }), story: el('div', { class: 'story' }), events: el('ol', { class: 'events' }),
    }
    const p = this.parts
    this.dialog.replaceChildren(el('div', { class: 'd-body' },
      el('div', { class: 'd-top' }, p.head, el('button', { type: 'button', class: 'close', 'aria-label': 'Close', autofocus: true, on: { click: () => this.dialog.close() } }, '✕')),
      p.acts, p.facts,
      el('h2', {}, 'Where it is'), p.chart,
      el('h2', {}, 'What happened'), p.events,
      el('h2', {}, 'Stories'), p.tabs, p.story))
    await this.load()
    if (!this.dialog.open) this.dialog.showModal()
    this.dialog.scrollTop = 0
  }

  changed() { // at most four times a second
    if (!this.id || this.timer) return
    this.timer = setTimeout(() => { this.timer = 0; if (this.id) this.load().catch(() => {}) }, 250)
  }

  async load() {
    const id = this.id, told = await get(`api/session?id=${encodeURIComponent(id)}`)
    if (id !== this.id) return
    this.row = told.row
    this.head(told.row); this.actions(told.row); this.facts(told.row); this.events(told.events)
    this.parts.chart.replaceChildren(drawn(told.chart))
    this.stories(told.stories)
  }

  head(row) {
    const trouble = cells.trouble(row)
    this.parts.head.replaceChildren(...[
      el('div', { class: 'line' }, el('h2', { id: 'detail-h' }, row.label), el('span', { class: `pill ${row.tone}` }, cells.dot(row), words(row.state))),
      el('p', { class: 'meta' }, [row.user, row.host, cells.account(row)].filter(Boolean).join(' · ')),
      el('p', {}, row.explanation),
      trouble && el('p', { class: 'why' }, el('strong', {}, trouble[0]), ' ', trouble[1] ?? ''),
    ].filter(Boolean))
  }

  actions(row) {
    const focused = this.parts.acts.contains(document.activeElement) ? document.activeElement.dataset.act : ''
    const acts = this.may() ? row.actions : []
    this.parts.acts.replaceChildren(...acts.map((name, i) =>
      el('button', { type: 'button', class: i ? '' : 'first', data: { act: name }, on: { click: () => this.act(row, name) } }, cells.LABELS[name])),
      el('button', { type: 'button', class: 'quiet', data: { act: 'copy' }, on: { click: () => this.copy(row) } }, 'Copy diagnostics'),
      this.may() ? '' : el('span', { class: 'only' }, 'This dashboard only shows.'))
    if (focused) (this.parts.acts.querySelector(`[data-act="${focused}"]`) ?? this.parts.acts.firstElementChild).focus()
  }

  facts(row) {
    const facts = [
      ['Token', [row.fingerprint && el('code', {}, row.fingerprint), ' ', row.live ? cells.kind(row)[1] : '–']],
      ['Good for', [row.live ? cells.left(row) : '–']],
      ['Refreshed', [cells.renewed(row)]],
      ['Next refresh', [cells.next(row) || '–']],
      ['Signed in', [row.live && row.signed_in_at ? `${ago(row.signed_in_at)}, ${clock(row.signed_in_at)}` : '–']],
      ['Scopes', cells.scopes(row, 99)],
      ['Store', [`${row.store}, version ${row.version}${row.saved ? '' : ', not saved yet'}`]],
      ['Provider’s clock', [row.clock_skew === null ? 'not known' : Math.abs(row.clock_skew) < 2 ? 'in step' : `${span(Math.abs(row.clock_skew))} ${row.clock_skew > 0 ? 'ahead' : 'behind'}`]],
    ]
    this.parts.facts.replaceChildren(...facts.map(([name, said]) => el('div', {}, el('dt', {}, name), el('dd', {}, ...(said.length ? said : ['–']).filter(Boolean)))))
  }

  events(events) {
    const shown = events.slice(-40).reverse()
    this.parts.events.replaceChildren(...(shown.length ? shown.map(line) : [el('li', { class: 'none' }, 'Nothing since this dashboard was started.')]))
  }

  stories(stories) {
    const last = stories.at(-1)
    const chosen = stories.find(story => story.id === this.chosen) ?? last
    this.parts.tabs.replaceChildren(...stories.map(story => el('button', {
      type: 'button', 'aria-pressed': String(story === chosen), on: { click: () => { this.chosen = story.id; this.stories(stories); this.parts.tabs.querySelector('[aria-pressed=true]').focus() } },
    }, story.title, el('small', {}, `${story.ending}, ${clock(story.began)}`))))
    const mark = chosen ? `${chosen.id} ${chosen.steps} ${chosen.ending}` : '-'
    if (mark === this.shownStory) return
    this.shownStory = mark
    if (!chosen) return this.parts.story.replaceChildren(el('p', { class: 'none' }, 'Nothing was recorded of it in this process.'))
    this.parts.story.replaceChildren(drawn(chosen.html))
    current = replay(this.parts.story.querySelector('article'))
  }
}

export function line(event) {
  return el('li', { class: event.error ? 'bad' : '' },
    el('time', {}, clock(event.at)),
    el('span', { class: 'way' }, event.source === event.target ? words(event.target) : `${words(event.source)} → ${words(event.target)}`),
    el('span', { class: 'trigger' }, event.trigger),
    event.signal ? el('span', { class: 'signal' }, event.signal) : '',
    event.origin === 'user' ? '' : el('span', { class: 'origin' }, words(event.origin)),
    event.error || event.reason ? el('span', { class: 'said' }, event.error || words(event.reason)) : '')
}
