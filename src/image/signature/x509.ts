// A module of its own: a bundle's chunk of a CommonJS package has no names to import.
export { X509Certificate } from "@sigstore/core";
