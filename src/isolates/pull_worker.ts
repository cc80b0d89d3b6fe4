/**
 * The `pull` isolate: it talks to registries and parses what they send, and can do nothing else.
 *
 * @module
 */
import { serveRegistry } from "../image/mod.ts";
import { configureWorkerLog } from "../observe/mod.ts";
import type { ToPull } from "./messages.ts";

self.onmessage = ({ data }: MessageEvent<ToPull>) => {
  configureWorkerLog(data.log);
  const { config, port, version } = data;
  void serveRegistry(port, config, version);
};
