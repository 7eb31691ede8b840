// What a build would write: JupyterLab gives its shared modules to init, and asks get for ours.
(() => {
  let shared;

  // A module may be there in several versions; JupyterLab's own is the one that runs already.
  async function take(name) {
    const versions = Object.values(shared[name]);
    const chosen = versions.find((version) => version.loaded) ?? versions[0];
    return (await chosen.get())();
  }

  window._JUPYTERLAB ??= {};
  window._JUPYTERLAB.labkit = {
    init(scope) {
      shared = scope;
    },
    async get() {
      const { homePlugin } = await import("./home.js");
      const plugin = await homePlugin(take);
      return () => ({ __esModule: true, default: plugin });
    },
  };
})();
