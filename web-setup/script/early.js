// Before anything is drawn: a browser that knows modules will start the page, so the plain status need not flash up.
// One that does not keeps the plain status, as does one without script.
if ('noModule' in document.createElement('script')) document.documentElement.dataset.script = 'yes';
// So does one to which a part of the script did not get through.
addEventListener(
  'error',
  (event) => {
    if (event.target instanceof HTMLScriptElement) document.documentElement.dataset.script = 'no';
  },
  true,
);
