/**
 * The `unpack` isolate: it parses layers and writes them below the storage root, and reaches
 * nothing else.
 *
 * @module
 */
import { serveUnpacker } from "../image/mod.ts";
import { unpackLayer } from "../storage/mod.ts";
import { configureWorkerLog } from "../observe/mod.ts";
import type { ToPull } from "./messages.ts";

self.onmessage = ({ data }: MessageEvent<ToPull>) => {
  configureWorkerLog(data.log);
  void serveUnpacker(data.port, unpackLayer);
};
