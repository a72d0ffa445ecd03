// Sets the theme before the first paint, and again when the system's changes. A classic script, because
// modules run after the style sheets have applied. widgets/theme.js holds the switch.
'use strict';
(function () {
  const dark = window.matchMedia('(prefers-color-scheme: dark)');
  function apply() {
    let choice = null;
    try {
      choice = localStorage.getItem('perfd.theme');
    } catch {
      // storage may be forbidden: the system's theme it is
    }
    const theme = choice === 'dark' || choice === 'light' ? choice : dark.matches ? 'dark' : 'light';
    if (document.documentElement.dataset.theme === theme) return;
    document.documentElement.dataset.theme = theme;
    window.dispatchEvent(new Event('perfd:theme'));
  }
  apply();
  dark.addEventListener('change', apply);
  window.addEventListener('perfd:choose-theme', apply);
})();
