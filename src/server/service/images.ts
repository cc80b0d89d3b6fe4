import type { Image } from "../../image/mod.ts";
import { now } from "../../observe/mod.ts";
import type {
  ImageServiceServer,
  ImageSpec,
  ListImagesResponse,
} from "../../gen/runtime/v1/api.ts";
import {
  imageInfo,
  readAuth,
  readPodOfPull,
  readReference,
  writeFsUsage,
  writeImage,
  writeImageStatus,
} from "../convert/image.ts";
import type { Handlers } from "../grpc/handlers.ts";
import { chunks } from "./chunks.ts";
import type { ServedImages } from "../types.ts";

/** The whole ImageService. */
export function imageService(images: ServedImages): Handlers<ImageServiceServer> {
  const list = async (wanted: ImageSpec | undefined): Promise<readonly Image[]> => {
    if (wanted === undefined || wanted.image === "") return await images.list();
    const image = await images.find(wanted.image);
    return image === undefined ? [] : [image];
  };
  // The kubelet lists every few seconds, and images seldom change.
  const answers = new WeakMap<readonly Image[], ListImagesResponse>();
  return {
    listImages: async ({ filter }) => {
      const images = await list(filter?.image);
      const answer = answers.get(images) ?? { images: images.map(writeImage) };
      answers.set(images, answer);
      return answer;
    },

    streamImages: ({ filter }) =>
      chunks(list(filter?.image), (some) => ({ images: some.map(writeImage) })),

    imageStatus: async ({ image: wanted, verbose }) => {
      const image = await images.find(readReference(wanted));
      if (image === undefined) return { image: undefined, info: {} };
      const info: Record<string, string> = verbose ? { info: imageInfo(image) } : {};
      return { image: writeImageStatus(image), info };
    },

    pullImage: async ({ image, auth, sandboxConfig }, { signal }) => ({
      imageRef: await images.pull({
        reference: readReference(image),
        auth: readAuth(auth),
        ...readPodOfPull(sandboxConfig),
        signal,
      }),
    }),

    removeImage: async ({ image }) => {
      await images.remove(readReference(image));
      return {};
    },

    imageFsInfo: async () => {
      const usage = await images.fsUsage();
      const timestamp = now();
      return {
        imageFilesystems: [writeFsUsage(usage.images, timestamp)],
        containerFilesystems: [writeFsUsage(usage.containers, timestamp)],
      };
    },
  };
}
