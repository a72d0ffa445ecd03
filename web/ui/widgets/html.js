// Preact and htm under one roof.

import { Fragment, h, render } from '../vendor/preact.js';
import htm from '../vendor/htm.js';

/** @typedef {import('../vendor/preact.js').VNode<any>} Node */

/** @type {(strings: TemplateStringsArray, ...values: any[]) => any} */
export const html = /** @type {any} */ (htm.bind(/** @type {any} */ (h)));
export { Fragment, render };
export { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from '../vendor/preact-hooks.js';
