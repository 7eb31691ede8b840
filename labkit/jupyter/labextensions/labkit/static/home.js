// The course's home in JupyterLab: a tab with the page that the server makes (labkit/jupyter).

const OPEN = "labkit:home";
const ICON = `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24">
  <path class="jp-icon3" fill="#616161" d="M12 3 2 12h3v8h5v-6h4v6h5v-8h3z"/></svg>`;

/** JupyterLab's plugin; `take` gives its shared modules by name. */
export async function homePlugin(take) {
  const [application, apputils, coreutils, launcher, services, ui, widgets] = await Promise.all(
    ["application", "apputils", "coreutils", "launcher", "services", "ui-components"]
      .map((name) => take(`@jupyterlab/${name}`))
      .concat(take("@lumino/widgets")),
  );
  const { PageConfig, URLExt } = coreutils;
  const icon = new ui.LabIcon({ name: "labkit:home", svgstr: ICON });

  /** A tab that shows the home, anew each time that it comes into sight. */
  class Home extends widgets.Widget {
    constructor(open) {
      super();
      this.open = open;
      this.id = "labkit-home";
      this.addClass("labkit-home");
      this.node.tabIndex = -1;
      this.node.style.cssText = "overflow: auto; outline: none; background: var(--jp-layout-color1)";
      Object.assign(this.title, { label: "Course home", icon, closable: true });
    }

    onAfterAttach() {
      this.node.addEventListener("click", this);
      document.addEventListener("visibilitychange", this);
      if (this.isVisible) this.refresh(); // else onAfterShow will
    }

    onBeforeDetach() {
      this.node.removeEventListener("click", this);
      document.removeEventListener("visibilitychange", this);
    }

    onAfterShow() {
      this.refresh();
    }

    onActivateRequest() {
      this.node.focus({ preventScroll: true });
    }

    handleEvent(event) {
      if (event.type === "click") this.follow(event);
      else if (!document.hidden && this.isVisible) this.refresh();
    }

    /** A lesson opens in a tab of its own; with a key held, the browser does what it always does. */
    follow(event) {
      const link = event.target.closest("[data-path]");
      if (event.target.closest("[data-again]")) this.refresh();
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
      event.preventDefault();
      this.open(link.dataset.path);
    }

    async refresh() {
      const asked = (this.asked = Symbol()); // an answer that comes late is not shown
      const page = await fetchPage();
      if (asked !== this.asked || page === this.page || this.isDisposed) return;
      const focused = this.node.contains(document.activeElement) && document.activeElement;
      const path = focused && focused.dataset.path;
      this.page = page;
      this.node.innerHTML = page;
      if (path) this.node.querySelector(`[data-path="${CSS.escape(path)}"]`)?.focus();
    }
  }

  /** The page, in which the server has escaped what others wrote, or what to do without it. */
  async function fetchPage() {
    const settings = services.ServerConnection.makeSettings();
    try {
      const url = URLExt.join(settings.baseUrl, "labkit/home");
      const answer = await services.ServerConnection.makeRequest(url, {}, settings);
      if (answer.ok) return await answer.text();
      return trouble((await answer.json()).message ?? answer.statusText);
    } catch (error) {
      return trouble(error.message);
    }
  }

  function trouble(why) {
    const section = document.createElement("section");
    section.className = "jp-RenderedHTMLCommon";
    section.style.padding = "1.5rem";
    section.setAttribute("role", "status");
    section.innerHTML = `<p>The course's home can't be shown just now: <span></span></p>
      <p>Your lessons are in the file browser on the left; <code>python3 -m labkit lab</code> starts
      the course.</p><button data-again>Try again</button>`;
    section.querySelector("span").textContent = why;
    return section.outerHTML;
  }

  return {
    id: "labkit:home",
    description: "The course's home page.",
    autoStart: true,
    optional: [apputils.ICommandPalette, launcher.ILauncher, application.ILayoutRestorer],
    activate(app, palette, launcherModel, restorer) {
      const tracker = new apputils.WidgetTracker({ namespace: "labkit-home" });
      const open = (path) => app.commands.execute("docmanager:open", { path });
      app.commands.addCommand(OPEN, {
        label: "Course home",
        caption: "Where you are in the course, what is next, and the map of the field",
        icon,
        execute() {
          const home = tracker.currentWidget ?? new Home(open);
          if (!tracker.has(home)) tracker.add(home);
          if (!home.isAttached) app.shell.add(home, "main", { rank: 0 });
          app.shell.activateById(home.id);
          return home;
        },
      });
      palette?.addItem({ command: OPEN, category: "Course" });
      launcherModel?.add({ command: OPEN, category: "Other", rank: 0 });
      restorer?.restore(tracker, { command: OPEN, name: () => "home" });
      if (opensAtHome()) app.started.then(() => app.commands.execute(OPEN));
    },
  };

  /** `labkit lab` opens its own workspace; an address without a lesson means the home. */
  function opensAtHome() {
    return PageConfig.getOption("workspace") === "labkit" && !PageConfig.getOption("treePath");
  }
}
