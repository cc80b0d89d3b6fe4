/**
 * Serves the fake domain with as many containers as the first argument says, and prints the socket's
 * path: the server alone, without what a real domain costs. Ends with its standard input.
 *
 * @module
 */
import { CONTAINER, POD, served } from "../integration/server/served.ts";

const count = Number(Deno.args[0] ?? 200);
await using crid = await served();
const { runtime } = crid.client;
const { podSandboxId } = await runtime.runPodSandbox({ config: POD });
for (let number = 0; number < count; number++) {
  await runtime.createContainer({ podSandboxId, config: kubeletContainer(number) });
}
console.log(crid.socketPath);
await Deno.stdin.readable.pipeTo(new WritableStream());

/** With the labels and annotations that a kubelet gives every container. */
function kubeletContainer(number: number) {
  return {
    ...CONTAINER,
    metadata: { name: `container-${number}` },
    labels: {
      "io.kubernetes.container.name": `container-${number}`,
      "io.kubernetes.pod.name": `pod-${number}`,
      "io.kubernetes.pod.namespace": "default",
      "io.kubernetes.pod.uid": "8b6c2c1e-7f3e-4b0a-b8a2-1e0f8d3f9a11",
    },
    annotations: {
      "io.kubernetes.container.hash": "7c5a3a1d",
      "io.kubernetes.container.restartCount": "0",
      "io.kubernetes.container.terminationMessagePath": "/dev/termination-log",
      "io.kubernetes.container.terminationMessagePolicy": "File",
      "io.kubernetes.pod.terminationGracePeriod": "30",
    },
  };
}
