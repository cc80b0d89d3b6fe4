import * as fs from "node:fs";
import type { GraphDriver, LayerAt } from "./graph_driver.ts";
import { ensureHomeMounted, unmountHome } from "./home.ts";
import { linkLayer, makeLayerDirectory, parentLayer, unlinkLayer } from "./overlay_layer.ts";
import { isMounted, mountOverlay, unmountOverlay } from "./overlay_mount.ts";

/** Layers side by side, put on top of each other by the kernel. */
export function overlayDriver(homeOption: "bind" | "as-is"): GraphDriver {
  const directory = (home: string, id: string) => `${home}/${id}`;
  const parent = (below: LayerAt | undefined) =>
    below === undefined ? undefined : parentLayer(below, below.id);
  return {
    name: "overlay",
    directory,
    content: (home, id) => `${home}/${id}/diff`,
    names: (home) => fs.readdirSync(home),
    makeHome(home) {
      fs.mkdirSync(home, { recursive: true, mode: 0o700 });
      ensureHomeMounted(home, homeOption);
      fs.mkdirSync(`${home}/l`, { recursive: true, mode: 0o755 });
      // Tells other tools that whiteouts are device nodes, not fuse-overlayfs's files.
      const marker = `${home}/.has-mount-program`;
      if (!fs.existsSync(marker)) fs.writeFileSync(marker, "false", { mode: 0o600 });
    },
    keepHome: (home) => ensureHomeMounted(home, homeOption),
    leaveHome: unmountHome,
    tidyHome(home) {
      for (const name of fs.readdirSync(`${home}/l`)) {
        const link = `${home}/l/${name}`;
        if (!fs.existsSync(link)) fs.rmSync(link, { force: true });
      }
    },
    prepareLayer: () => Promise.resolve(),
    publishLayer(staged, home, id, below) {
      const link = makeLayerDirectory(staged, parent(below));
      fs.renameSync(staged, directory(home, id));
      linkLayer(home, id, link);
    },
    makeContainerLayer(home, id, below, maps) {
      try {
        linkLayer(home, id, makeLayerDirectory(directory(home, id), parent(below), maps));
      } catch (error) {
        fs.rmSync(directory(home, id), { recursive: true, force: true });
        throw error;
      }
      return Promise.resolve();
    },
    forgetLayer: unlinkLayer,
    mount: mountOverlay,
    isMounted,
    unmount: unmountOverlay,
  };
}
