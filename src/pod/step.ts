import { wrapError } from "../failure/mod.ts";

/** Does one step of a creation; when it fails, its name (CRI-O's word for it) goes in front. */
export async function step<T>(name: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw wrapError(name, error);
  }
}
