import assert from "node:assert/strict";
import { describe, it } from "@std/testing/bdd";
import {
  annotation,
  containerAnnotation,
  parseUmask,
  parseUnified,
  SpecAnnotation,
} from "../../../src/oci/spec/annotations.ts";
import type { SpecDraft } from "../../../src/oci/spec/draft.ts";
import { refusedAnnotationsStage } from "../../../src/oci/spec/refused_annotations.ts";
import { NO_RESOURCES } from "../../../src/oci/empty.ts";
import { gomaxprocs } from "../../../src/oci/spec/gomaxprocs.ts";
import { parseMountsFile } from "../../../src/oci/spec/secrets.ts";

describe("an annotation of the spec", () => {
  it("has a present and a former name, of which the present one wins", () => {
    const names = SpecAnnotation.umask;
    assert.equal(annotation({ "io.kubernetes.cri-o.umask": "1" }, names), "1");
    assert.equal(
      annotation({ "io.kubernetes.cri-o.umask": "1", "umask.crio.io": "2" }, names),
      "2",
    );
    assert.equal(annotation({ "umask.crio.io": "" }, names), undefined);
  });

  it("of a seccomp profile is refused in all of its forms, since the container would have none", () => {
    const label = { "io.kubernetes.container.name": "a" };
    const refuse = (annotations: Record<string, string>) => () =>
      refusedAnnotationsStage(
        { input: { annotations: { ...label, ...annotations } } } as unknown as SpecDraft,
      );
    for (const name of ["seccomp-profile.crio.io", "seccomp-profile.kubernetes.cri-o.io"]) {
      for (const  of of["", "/a", "/POD"]) {
        assert.throws(refuse({ [name + of]: "r.io/profile:1" }), { code: "unimplemented" });
      }
      assert.doesNotThrow(refuse({ [`${name}/b`]: "r.io/profile:1" }));
    }
  });

  it("of a seccomp profile is refused on an image, too, unless another profile is asked for", () => {
    const refuse = (name: string, seccomp?: { kind: string }) => () =>
      refusedAnnotationsStage(
        {
          input: {
            annotations: { "io.kubernetes.container.name": "a" },
            imageAnnotations: { [name]: "r.io/profile:1" },
            security: { seccomp },
          },
        } as unknown as SpecDraft,
      );
    for (const name of ["seccomp-profile.crio.io", "seccomp-profile.kubernetes.cri-o.io/POD"]) {
      assert.throws(refuse(name), { code: "unimplemented" });
      assert.throws(refuse(name, { kind: "unconfined" }), { code: "unimplemented" });
      assert.doesNotThrow(refuse(name, { kind: "runtime_default" }));
    }
    assert.doesNotThrow(refuse("seccomp-profile.crio.io/b"));
  });

  it("is a container's own before it is the pod's", () => {
    const names = SpecAnnotation.unified;
    const pod = { "unified-cgroup.crio.io": "pod", "unified-cgroup.crio.io/a": "own" };
    const of = (name: string) =>
      containerAnnotation({ ...pod, "io.kubernetes.container.name": name }, names);
    assert.equal(of("a"), "own");
    assert.equal(of("b"), "pod");
    assert.equal(containerAnnotation(pod, names), "pod");
  });

  it("is an octal umask or an error", () => {
    assert.equal(parseUmask("022"), 0o22);
    assert.equal(parseUmask("0077"), 0o77);
    for (const bad of ["", "8", "00000", "0x1", "-1"]) {
      assert.throws(() => parseUmask(bad), new RegExp(`invalid umask string ${bad}`));
    }
  });

  it("sets files of the cgroup, plainly or in base64", () => {
    assert.deepEqual(
      parseUnified(`memory.high=100M;pids.max=1000;io.max=${btoa("8:0 rbps=1;x")};memory.low=max`),
      {
        "memory.high": "100M",
        "pids.max": "1000",
        "io.max": "8:0 rbps=1;x",
        "memory.low": "max",
      },
    );
    for (const bad of ["memory.high", "=1", "../x=1", "cgroup/x.y=1"]) {
      assert.throws(() => parseUnified(bad), /not <controller>.<file>=<value>/);
    }
  });
});

describe("GOMAXPROCS", () => {
  it("follows what a burstable container asks for, and is never below the floor", () => {
    const burstable = "/kubepods/burstable/pod1/crio-1";
    const of = (cpuShares: number) => gomaxprocs(4, burstable, { ...NO_RESOURCES, cpuShares });
    assert.deepEqual([2, 2048, 2560, 4096].map(of), [4, 4, 5, 8]);
    assert.equal(gomaxprocs(4, "kubepods-besteffort-pod1.slice:crio:1", undefined), 4);
  });

  it("is left alone for guaranteed pods and with a CPU limit", () => {
    assert.equal(
      gomaxprocs(4, "/kubepods/pod1/crio-1", { ...NO_RESOURCES, cpuShares: 1024 }),
      undefined,
    );
    const limited = { ...NO_RESOURCES, cpuQuota: 50_000 };
    assert.equal(gomaxprocs(4, "/kubepods/burstable/pod1/crio-1", limited), undefined);
  });
});

describe("mounts.conf", () => {
  it("has a source and a place on each line", () => {
    assert.deepEqual(
      parseMountsFile("# no\n/a/b:/run/secrets\n\n /etc/c \nrelative:/x\n/d:../../e\n"),
      [
        { source: "/a/b", destination: "/run/secrets" },
        { source: "/etc/c", destination: "/etc/c" },
        { source: "/d", destination: "/e" },
      ],
    );
  });
});
