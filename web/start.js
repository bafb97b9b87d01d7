// Starts the page's program. A file of its own, because the page's Content-Security-Policy allows no script in the page.
const me = document.querySelector("script[data-wasm]");
try {
  const program = await import(me.dataset.js);
  await program.default({ module_or_path: me.dataset.wasm });
} catch (error) {
  const note = document.querySelector("#first .note");
  const why = typeof WebAssembly === "object" ? String(error) : "this browser cannot run WebAssembly";
  if (note) note.textContent = `The lab could not be loaded: ${why}. Reload the page, or use a current browser.`;
  throw error;
}
