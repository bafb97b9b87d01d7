// The lab's worker. Its program comes from the page, compiled, as the first message: see start.js.
addEventListener(
  "message",
  async ({ data: { js, module } }) => {
    try {
      const program = await import(js);
      await program.default({ module_or_path: module });
    } catch (error) {
      postMessage({ panic: String(error) });
    }
  },
  { once: true },
);
