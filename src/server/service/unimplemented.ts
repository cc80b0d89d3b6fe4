import { CridError } from "../../failure/mod.ts";

/** An answer for an RPC whose capability this version does not have. */
export function unimplemented(rpc: string, why: string): CridError {
  return new CridError("unimplemented", `${rpc} is not implemented: ${why}`);
}
