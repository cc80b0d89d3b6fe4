/** An `unpack` isolate for tests. */
import { serveUnpacker } from "../../../../src/image/mod.ts";
import { unpackLayer } from "../../../../src/storage/mod.ts";

self.onmessage = ({ data }: MessageEvent<{ readonly port: MessagePort }>) =>
  void serveUnpacker(data.port, unpackLayer);
