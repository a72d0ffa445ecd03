// The table of every page: fixed columns, a header that stays, only the rows in view in the document.

import { hideTip } from './tip.js';
import { html, useEffect, useLayoutEffect, useRef, useState } from './html.js';

/**
 * @typedef {{key: string, label: any, width: string, num?: boolean, sort?: string|false, title?: string,
 *   cell: (row: any, index: number) => any}} Column width is a track of CSS grid
 */

export const ROW = 28;
const OVER = 12;

/** A click leaves the focus where it is, so that Enter still opens the selected row. @param {Event} e */
const keepFocus = (e) => e.preventDefault();

/** Widths of the bars in cells that are still on their way. */
const WIDTHS = [62, 38, 74, 50, 45, 68, 33, 57];

/** What matters comes first where not all columns are in view. @param {Column[]} columns @param {Record<string, string>} [phone] @returns {Column[]} */
function arrange(columns, phone) {
  if (!phone || innerWidth > 1000) return columns;
  const first = Object.keys(phone).flatMap((k) => columns.filter((c) => c.key === k).map((c) => (innerWidth > 760 ? c : { ...c, width: phone[k] })));
  return [...first, ...columns.filter((c) => !(c.key in phone))];
}

/**
 * @param {{label: string, columns: Column[], count: number|null, row: (i: number) => any, need?: (a: number, b: number) => void,
 *   sort?: string, order?: string, onSort?: (sort: string, order: string) => void, selected?: number,
 *   onSelect?: (i: number) => void, onOpen?: (i: number) => void, onPin?: (i: number) => void, hover?: (i: number) => any,
 *   rowClass?: (i: number) => string, keys?: boolean, fill?: boolean, phone?: Record<string, string>,
 *   onHold?: (busy: boolean) => void, children?: any}} props
 *   onHold is told whether the reader is busy with rows, by pointer or scrolling: they should stay then;
 *   phone names the columns that come first on a narrow screen, with their widths on a phone
 */
export function Table(props) {
  const { label, count, row, need, sort, order, onSort, selected = -1, onSelect, onOpen, onPin, hover, rowClass, keys, fill } = props;
  const columns = arrange(props.columns, props.phone);
  const { onHold } = props;
  const over = useRef(false);
  const hold = () => onHold?.(over.current || (box.current?.scrollTop ?? 0) > 0);
  const pointer = (/** @type {boolean} */ on) => (onHold ? () => {
    over.current = on;
    hold();
  } : undefined);
  const box = useRef(/** @type {HTMLElement|null} */ (null));
  const [range, setRange] = useState({ a: 0, b: 40 });
  const total = count ?? 24;
  // Keys may come faster than renders: the row they move from is kept here.
  const cursor = useRef(selected);
  cursor.current = selected;
  const measure = () => {
    const el = box.current;
    if (!el) return;
    const a = fill ? Math.max(0, Math.floor(el.scrollTop / ROW) - OVER) : 0;
    const b = fill ? Math.ceil((el.scrollTop + el.clientHeight) / ROW) + OVER : 500;
    setRange((r) => (r.a === a && r.b === b ? r : { a, b }));
  };
  useLayoutEffect(() => {
    measure();
    const o = new ResizeObserver(measure);
    if (box.current) o.observe(box.current);
    return () => o.disconnect();
  }, []);
  useEffect(() => hideTip, [count, sort, order]);
  const a = Math.min(range.a, Math.max(0, total - 1));
  const b = Math.min(range.b, total);
  useEffect(() => need?.(a, b), [a, b, need]);
  useEffect(() => {
    const el = box.current;
    if (!el || selected < 0 || !fill) return;
    const top = selected * ROW;
    if (top < el.scrollTop) el.scrollTop = top;
    else if (top + 2 * ROW > el.scrollTop + el.clientHeight) el.scrollTop = top + 2 * ROW - el.clientHeight;
  }, [selected]);
  useEffect(() => {
    if (!keys || !onSelect) return undefined;
    const onKey = (/** @type {KeyboardEvent} */ e) => {
      if (e.metaKey || e.ctrlKey || e.altKey || (e.target instanceof Element && e.target.closest('input, textarea, select, dialog'))) return;
      const page = Math.max(1, Math.floor((box.current?.clientHeight ?? 400) / ROW) - 2);
      /** @type {Record<string, number>} */
      const by = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -1e9, End: 1e9 };
      if (e.key in by && count) {
        e.preventDefault();
        const from = cursor.current < 0 ? (by[e.key] > 0 ? -1 : count) : cursor.current;
        const next = Math.max(0, Math.min(count - 1, from + by[e.key]));
        onSelect(next);
        cursor.current = next;
      } else if (e.key === 'Enter' && cursor.current >= 0 && !(e.target instanceof Element && e.target.closest('a, button'))) {
        onOpen?.(cursor.current);
      } else if (e.key === 'p' && cursor.current >= 0) {
        onPin?.(cursor.current);
      }
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  });
  const minWidth = columns.reduce((sum, c) => sum + Number(/(\d+)px/.exec(c.width)?.[1] ?? 80) + 12, 20);
  const grid = { gridTemplateColumns: columns.map((c) => c.width).join(' ') };
  const click = (/** @type {MouseEvent} */ e, /** @type {number} */ i) => {
    if (e.target instanceof Element && e.target.closest('a, button')) return;
    if (window.getSelection()?.toString() && !e.shiftKey) return;
    if (e.shiftKey && onPin) onPin(i);
    else {
      onSelect?.(i);
      onOpen?.(i);
    }
  };
  const head = (/** @type {Column} */ c) => {
    const key = c.sort === false || !onSort ? null : c.sort ?? c.key;
    const on = key !== null && key === sort;
    const next = on ? (order === 'desc' ? 'asc' : 'desc') : c.num ? 'desc' : 'asc';
    return html`<div role="columnheader" class="th ${c.num ? 'num' : ''} ${on ? 'on' : ''}" title=${c.title}
      aria-sort=${on ? (order === 'desc' ? 'descending' : 'ascending') : undefined}>
      ${key ? html`<button type="button" onMouseDown=${keepFocus} onClick=${() => onSort?.(key, next)}>${c.label}<span class="arrow" aria-hidden="true">${on ? (order === 'desc' ? '↓' : '↑') : ''}</span></button>` : c.label}
    </div>`;
  };
  const rows = [];
  for (let i = a; i < b; i++) {
    const data = row(i);
    rows.push(html`<div role="row" key=${i} aria-rowindex=${i + 2} aria-current=${i === selected ? 'true' : undefined}
      class="tr ${i === selected ? 'selected' : ''} ${onOpen ? 'opens' : ''} ${data && rowClass ? rowClass(i) : ''}" style=${fill ? { ...grid, top: `${i * ROW}px` } : grid}
      onMouseDown=${onPin ? (/** @type {MouseEvent} */ e) => e.shiftKey && e.preventDefault() : undefined}
      onClick=${(/** @type {MouseEvent} */ e) => data && click(e, i)} ...${data && hover ? hover(i) : {}}>
      ${columns.map((c, k) => html`<div role="cell" class="td ${c.num ? 'num' : ''}">${data ? c.cell(data, i) : html`<i class="ghost" style=${{ width: `${WIDTHS[(i + k * 3) % 8]}%` }} />`}</div>`)}
    </div>`);
  }
  return html`<div class="table ${fill ? 'fill' : ''}" ref=${box} onScroll=${fill ? () => {
    measure();
    hold();
  } : undefined} tabindex=${fill ? 0 : undefined}
    role="table" aria-label=${label} aria-rowcount=${(count ?? 0) + 1}>
    <div class="thead" role="row" aria-rowindex="1" style=${{ ...grid, minWidth: `${minWidth}px` }}>${columns.map(head)}</div>
    <div class="tbody" role="rowgroup" onPointerEnter=${pointer(true)} onPointerLeave=${pointer(false)} style=${{ minWidth: `${minWidth}px`, ...(fill ? { height: `${total * ROW}px` } : {}) }}>${rows}</div>
    ${props.children}
  </div>`;
}
