import { listKernelDirectory, PidFd, processArguments, processVariable } from "../linux/mod.ts";
import { log } from "../observe/mod.ts";
import { processRef } from "../oci/mod.ts";
import { namespaceFile } from "./names.ts";
import { processEnd } from "./process_end.ts";

const SIGKILL = 9;

/**
 * Kills what an earlier crid has started for something that it did not finish: a monitor with the
 * runtime below it, pinns and CNI plugins outlive their daemon and would go on making it. They were
 * told the id, which nobody else can know yet.
 */
export async function killStrays(id: string): Promise<void> {
  for (const { name } of listKernelDirectory("/proc") ?? []) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || !names(pid, id)) continue;
    using fd = PidFd.open(pid);
    const process = processRef(pid);
    // Looked at again behind the pidfd: the number may have got another owner.
    if (fd === undefined || process === undefined || !names(pid, id)) continue;
    log.info(`Killing process ${pid}, which still works on half-made ${id}`, { id });
    fd.kill(SIGKILL);
    await processEnd(process);
  }
}

function names(pid: number, id: string): boolean {
  const words = [id, namespaceFile(id)];
  return processArguments(pid).some((argument) => words.some((word) => argument.includes(word))) ||
    processVariable(pid, "CNI_CONTAINERID") === id;
}
