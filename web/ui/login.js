// A link from another site brings no cookie along: who is signed in already goes on to the page.
'use strict';
(async function () {
  try {
    const answer = await fetch('/api/v1/session');
    const next = document.querySelector('input[name="next"]');
    if ((await answer.json()).known && next instanceof HTMLInputElement) location.replace(next.value);
  } catch {
    // the form works without
  }
})();
