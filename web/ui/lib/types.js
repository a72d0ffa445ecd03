// The shapes of the JSON API (docs/api.md), for the type checker only.

/**
 * @typedef {import('./parts.js').Parts} Parts
 *
 * @typedef {{id: number, start: number, duration: number, transport: string, class: string, verb: string, path: string,
 *   service: string, model: string, method: string, name: string, database: string, user: string, uid?: number, login: string,
 *   session: string, client: string, server: string, status: number, error: string, failed: boolean, ids: number,
 *   request_bytes: number, response_bytes: number, statements: number, parts: Parts, findings: string[], gaps: string[],
 *   probability: number, head?: number, sent?: number, first?: number, end?: number}} Call
 *
 * @typedef {{start: number, first?: number, duration?: number, lease: number, shape: number, kind: string, rows?: number,
 *   text_bytes?: number, in?: number, out?: number, sqlstate: string, duplicate: number, by: string, probability: number,
 *   exact: boolean, gaps: string[]}} Span
 *
 * @typedef {{client: string, server: string, database: string, user: string, application: string, backend: number,
 *   start: number, end: number, statements: number, sql: number}} Lease
 *
 * @typedef {{rule: string, title: string, fix: string, cost: number, spans: number[]}} CallFinding
 *
 * @typedef {{name: string, about: string}} Named what a statement is called, and what tells it from others of that name
 * @typedef {Named & {fingerprint: string, kind: string, text: string, tables: string[], written: string}} ShapeText
 *
 * @typedef {{call: Call, front?: {client: string, server: string, start: number, end: number}, leases: Lease[],
 *   shapes: ShapeText[], spans: Span[], findings: CallFinding[],
 *   method: {calls: number, p50: number, p95: number, p99: number, max: number}, prev?: number, next?: number}} CallDetail
 *
 * @typedef {{name: string, model: string, method: string, uid: number, calls: number, errors: number, statements: number,
 *   total: number, share: number, mean: number, p50: number, p95: number, p99: number, max: number, first: number,
 *   last: number, users: number, methods: number, parts: Parts}} Group
 *
 * @typedef {Named & {fingerprint: string, kind: string, text: string, tables: string[], written: string, statements: number,
 *   calls: number, per_call: number, rows: number, bytes: number, errors: number, total: number, share: number, mean: number,
 *   p50: number, p95: number, p99: number, max: number, background: number, methods: string[]}} Shape
 *
 * @typedef {{rule: string, name: string, title: string, fix: string, calls: number, findings: number, cost: number, max: number,
 *   users: string[], first: number, last: number, examples: number[]}} Finding
 *
 * @typedef {{t0: number, dt: number, calls: number[], errors: number[], statements: number[]} & Record<import('./parts.js').Part, number[]>} Buckets
 * @typedef {{t0: number, dt: number, bounds: number[], counts: number[][], max: number}} Heatmap
 *
 * @typedef {{from: number, to: number, seconds: number, calls: number, errors: number, users: number, sessions: number,
 *   statements: number, all_statements: number, attributed: number, control: number, rows: Record<'methods'|'users'|'models'|'shapes'|'queries'|'findings', number>, waited: number, p50: number, p95: number, p99: number, max: number, rate: number, parts: Parts,
 *   largest: {part: import('./parts.js').Part, share: number}, buckets: Buckets, heatmap: Heatmap, methods: Group[],
 *   users_top: Group[], models: Group[], shapes: Shape[], findings: Finding[]}} Overview
 *
 * @typedef {{version: string, files: string[], from: number, to: number, seconds: number, packets: number, bytes: number,
 *   lost_bytes: number, gaps: number, calls: number, ordinary: number, errors: number, statements: number, attributed: number,
 *   exact: number, background: number, users: number, sessions: number, methods: number, models: number, shapes: number,
 *   findings: number, rules: string[], notices: {title: string, fix: string}[], complete: boolean, live: boolean, watching: boolean}} Source
 *
 * @typedef {{severity: 'critical'|'warning'|'info', title: string, fix: string}} Notice
 * @typedef {{started?: number, calls: number, statements: number,
 *   taps: {name: string, kind: string, state: string, detail: string, packets: number, bytes: number, drops: number, freezes: number}[],
 *   shed: {level: number, detail: string, since?: number, texts: number, statements: number, calls: number, bytes: number},
 *   queue: {waiting: number, bytes: number, limit: number, dropped: number},
 *   store: {bytes: number, limit: number, log_bytes: number, oldest?: number, max_age: number, stored: number, lost: number, error: string},
 *   evidence: {name: string, active: boolean, detail: string}[], agreement: {calls: number, agreed: number, recent: number},
 *   memory: {bytes: number, limit: number}, cpu: {share: number, limit: number}, notices: Notice[]}} State
 *
 * @typedef {{t0: number, t1: number, total: number, mode: 'calls'|'bins',
 *   lanes: {session: string, user: string, client: string, calls: number}[],
 *   calls: {lane: number[], id: number[], start: number[], duration: number[], failed: number[], name: number[], parts: number[]},
 *   names: string[], bins: {dt: number, lane: number[], bin: number[], calls: number[], busy: number[], parts: number[]}}} Timeline
 *
 * @typedef {{name: string, calls: number, statements: number, total: number, share: number}} Caller
 *
 * @typedef {{id: number, made: number, load: string, a: string, b: string, verdict: string, sentence: string, p50: number, p95: number}} Benchmark
 * @typedef {{delta: number, low: number, high: number, adjusted: number, per_round: number[]|null, verdict: string}} ReplayEffect
 * @typedef {{calls: number, errors: number, p50: {seconds: number}, p95: {seconds: number}, p99: {seconds: number}}} ReplaySide
 * @typedef {{name: string, a: number, b: number, delta: number, low: number, high: number, shown: boolean}} SeenPart
 * @typedef {{seen: number, errors: number, retried: number, locked: number}} SeenCalls
 * @typedef {{sent: number, seen: number, others: number, statements: number, exact: number}} SeenSide
 * @typedef {{calls: number, seconds: number, rows: number}} SeenUse
 * @typedef {{fingerprint: string, text: string, name?: string, about?: string, a: SeenUse, b: SeenUse}} SeenStatement
 * @typedef {{method: string, a: SeenCalls, b: SeenCalls, parts: SeenPart[], statements: SeenStatement[]}} SeenRow
 * @typedef {{sentence?: string, a: SeenSide, b: SeenSide, overall: SeenRow, methods: SeenRow[], doubts: string[]}} Observed
 * @typedef {{method: string, a: ReplaySide, b: ReplaySide, typical: ReplayEffect, p95: ReplayEffect, p99: ReplayEffect, verdict: string, reason?: string}} ReplayRow
 */

export {};
