/**
 * The `cri` isolate: the socket, the pods and the images.
 *
 * @module
 */
import type { Config } from "../config/mod.ts";
import { errorMessage } from "../failure/mod.ts";
import { configureWorkerLog, log } from "../observe/mod.ts";
import { type Cri, startCri } from "./cri.ts";
import type { FromCri, ToCri } from "./messages.ts";
import { registryReads, SupervisedPullIsolates } from "./pull_isolates.ts";

const tell = (message: FromCri) => self.postMessage(message);
const isolates = new SupervisedPullIsolates(tell, navigator.hardwareConcurrency);
let cri: Promise<Cri> | undefined;

self.onmessage = ({ data }: MessageEvent<ToCri>) => {
  switch (data.kind) {
    case "start":
      configureWorkerLog(data.log);
      isolates.renewOn(() => registryReads(data.config));
      cri = startCri(data.config, data.installation, isolates);
      cri.then(
        () => tell({ kind: "ready" }),
        (error) => tell({ kind: "failed", message: errorMessage(error) }),
      );
      break;
    case "isolate":
      isolates.started(data.id, data.port);
      break;
    case "gone":
      isolates.gone(data.id);
      break;
    case "reload":
      void reload(data.config);
      break;
    case "stop":
      void stop();
      break;
  }
};

async function reload(config: Config): Promise<void> {
  try {
    await (await cri)?.reload(config);
    isolates.renewOn(() => registryReads(config));
    tell({ kind: "reloaded", message: undefined });
  } catch (error) {
    tell({ kind: "reloaded", message: errorMessage(error) });
  }
}

/** Containers keep running; only what serves them ends. */
async function stop(): Promise<void> {
  try {
    await (await cri)?.close();
  } catch (error) {
    log.error(`shut down: ${errorMessage(error)}`);
  }
  tell({ kind: "stopped" });
}
