import { Buffer } from "node:buffer";
import { parsePayload, type SignedClaim } from "./payload.ts";

/**
 * Verifies a simple-signing signature: an OpenPGP message with the claim in it.
 *
 * @param keyrings Files with public keys, armored or not; a signature by any of the keys is good.
 * @returns What was signed.
 * @throws {Error} when it is not signed by one of the keys.
 */
export async function verifySimpleSignature(
  signature: Uint8Array,
  keyrings: readonly Uint8Array[],
): Promise<SignedClaim> {
  // Loaded by those who need it: it is the largest library there is here.
  const openpgp = await import("openpgp");
  const verificationKeys = (await Promise.all(
    keyrings.map((bytes) =>
      isArmored(bytes)
        ? openpgp.readKeys({ armoredKeys: Buffer.from(bytes).toString() })
        : openpgp.readKeys({ binaryKeys: bytes })
    ),
  )).flat();
  const message = await openpgp.readMessage({ binaryMessage: signature });
  const { data, signatures } = await openpgp.verify({
    message,
    verificationKeys,
    format: "binary",
  });
  const [first, second] = signatures;
  if (first === undefined || second !== undefined) throw new Error("it has not one signature");
  await first.verified;
  return parsePayload(data as Uint8Array, "atomic container signature");
}

function isArmored(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.subarray(0, 64)).toString("latin1").trimStart().startsWith("-----BEGIN");
}
