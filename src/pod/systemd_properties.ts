/** The kubelet's annotation of a container: seconds as text. */
const GRACE_PERIOD = "io.kubernetes.pod.terminationGracePeriod";
const PREFIX = "org.systemd.property.";

/**
 * Annotations by which runtimes give a container's scope its properties, in systemd's own notation.
 * When the node shuts down, containers are stopped before the service that serves them, and have as
 * long as their pod wants.
 *
 * @param annotations The container's own, as its client has given them.
 */
export function systemdProperties(
  annotations: Readonly<Record<string, string>>,
): Record<string, string> {
  const seconds = annotations[GRACE_PERIOD] ?? "";
  return {
    [`${PREFIX}DefaultDependencies`]: "true",
    [`${PREFIX}After`]: "['crio.service']",
    ...(/^\d{1,9}$/.test(seconds)
      ? { [`${PREFIX}TimeoutStopUSec`]: `uint64 ${Number(seconds)}000000` }
      : {}),
  };
}
