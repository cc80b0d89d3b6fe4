import { type ParsedArguments, UsageError } from "../arguments.ts";

/** @throws {UsageError} When something follows the flags of a command that takes nothing else. */
export function noOperands({ rest }: ParsedArguments): void {
  if (rest.length > 0) throw new UsageError(`unexpected argument: ${rest[0]}`);
}
