// A module of its own: a bundle's chunk of a CommonJS package has no names to import.
export { parse } from "yaml";
