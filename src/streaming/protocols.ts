/** What an exec or attach client can be spoken to in; `version` 1 to 5. */
export interface CommandProtocol {
  readonly name: string;
  readonly version: number;
  /** WebSocket only: messages are text, the data is base64. */
  readonly base64: boolean;
}

const NAME = /^(?:v([2-5])\.)?(?:(base64)\.)?channel\.k8s\.io$/;

/** Over SPDY: v1 to v5; what v5 adds is for WebSocket, here it is v4. */
function commandProtocol(name: string): CommandProtocol | undefined {
  const match = NAME.exec(name);
  if (match === null) return undefined;
  const version = Number(match[1] ?? 1);
  const base64 = match[2] !== undefined;
  return { name, version, base64 };
}

/** The first of a client's protocols, in its own order, that a SPDY session can speak. */
export function chooseSpdyProtocol(offered: readonly string[]): CommandProtocol | undefined {
  return choose(offered, ({ base64 }) => !base64);
}

/** The same for WebSocket, where v2 and v3 do not exist and base64 ends with v4. */
export function chooseWebSocketProtocol(offered: readonly string[]): CommandProtocol | undefined {
  return choose(
    offered,
    ({ version, base64 }) => version !== 2 && version !== 3 && !(base64 && version === 5),
  );
}

function choose(
  offered: readonly string[],
  speaks: (protocol: CommandProtocol) => boolean,
): CommandProtocol | undefined {
  return offered.map(commandProtocol).find((protocol) =>
    protocol !== undefined && speaks(protocol)
  );
}

export const PORT_FORWARD_PROTOCOL = "portforward.k8s.io";
export const TUNNEL_PROTOCOL = `SPDY/3.1+${PORT_FORWARD_PROTOCOL}`;

/** The parts of a header that may come several times, or with commas. */
export function listHeader(value: string | readonly string[] | undefined): string[] {
  const text = typeof value === "string" ? value : (value ?? []).join(",");
  return text.split(",").map((part) => part.trim()).filter((part) => part !== "");
}
