import { additionalStores } from "./options.ts";
import { type GraphDriver, graphDriver } from "./graph_driver.ts";
import type { StoreOptions } from "./types.ts";

/** Where an image store is that is only read. */
export interface AdditionalPaths {
  readonly root: string;
  readonly home: string;
  readonly layers: string;
  readonly images: string;
}

/** Where everything of a store is (containers/storage), and how its layers are kept there. */
export interface StorePaths {
  readonly driver: GraphDriver;
  readonly graphRoot: string;
  readonly runRoot: string;
  /** The root that images and their layers are in: the graph root, or `imageStore`. */
  readonly imageRoot: string;
  /** The driver's home of container layers, and of image layers unless there is an image store. */
  readonly home: string;
  readonly imageHome: string;
  readonly layers: string;
  readonly imageLayers: string;
  readonly images: string;
  /** Images of the graph root from before there was an image store; `undefined` without one. */
  readonly earlierImages: string | undefined;
  /** Additional image stores, the first to be asked first. */
  readonly additional: readonly AdditionalPaths[];
  readonly containers: string;
  /** What is mounted of additional stores. */
  readonly runHome: string;
  readonly runLayers: string;
  readonly runContainers: string;
  readonly storageLock: string;
}

/** Lays out the paths of a store. @throws {CridError} `unimplemented` for an unknown driver. */
export function storePaths(options: StoreOptions): StorePaths {
  const { graphRoot, runRoot } = options;
  const driver = graphDriver(options);
  const { name } = driver;
  const imageRoot = options.imageStore === "" ? graphRoot : options.imageStore;
  return {
    graphRoot,
    runRoot,
    imageRoot,
    driver,
    home: `${graphRoot}/${name}`,
    imageHome: `${imageRoot}/${name}`,
    layers: `${graphRoot}/${name}-layers`,
    imageLayers: `${imageRoot}/${name}-layers`,
    images: `${imageRoot}/${name}-images`,
    earlierImages: imageRoot === graphRoot ? undefined : `${graphRoot}/${name}-images`,
    additional: additionalStores(options.options)
      .filter((root) => root !== graphRoot && root !== imageRoot)
      .map((root) => ({
        root,
        home: `${root}/${name}`,
        layers: `${root}/${name}-layers`,
        images: `${root}/${name}-images`,
      })),
    containers: `${graphRoot}/${name}-containers`,
    runHome: `${runRoot}/${name}`,
    runLayers: `${runRoot}/${name}-layers`,
    runContainers: `${runRoot}/${name}-containers`,
    storageLock: `${graphRoot}/storage.lock`,
  };
}

/**
 * The file name of a big data item: the key itself if it is made of `.`, digits and lower-case
 * letters, else `=` and its base64. containers/storage looks at all characters but the last.
 */
export function bigDataFileName(key: string): string {
  const plain = /^[.0-9a-z]*$/.test(key.slice(0, -1));
  return plain ? key : `=${btoa(String.fromCharCode(...new TextEncoder().encode(key)))}`;
}

/** 64 hexadecimal digits: what ids look like, and nothing else in those directories. */
export function isId(name: string): boolean {
  return /^[0-9a-f]{64}$/.test(name);
}
