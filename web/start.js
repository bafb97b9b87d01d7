// Starts the lab. Its program is fetched and compiled once, and runs twice: here, and in the worker that the page starts
// (worker.js). A file of its own, because the page's Content-Security-Policy allows no script in the page.
const me = document.querySelector("script[data-wasm]");

async function compiled(address) {
  try {
    return await WebAssembly.compileStreaming(fetch(address));
  } catch {
    // Servers that do not know what a .wasm is.
    const answer = await fetch(address);
    if (!answer.ok) throw new Error(`${address}: ${answer.status} ${answer.statusText}`);
    return WebAssembly.compile(await answer.arrayBuffer());
  }
}

try {
  const js = new URL(me.dataset.js, import.meta.url).href;
  const [program, module] = await Promise.all([import(js), compiled(me.dataset.wasm)]);
  globalThis.weightlabProgram = { js, module };
  await program.default({ module_or_path: module });
} catch (error) {
  const note = document.querySelector("#first .note");
  const why = typeof WebAssembly === "object" ? String(error) : "this browser cannot run WebAssembly";
  if (note) note.textContent = `The lab could not be loaded: ${why}. Reload the page, or use a current browser.`;
  throw error;
}
