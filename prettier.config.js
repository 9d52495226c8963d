/** Formats wasm-core/assembly, which Biome cannot parse: AssemblyScript has decorators on functions. */
export default {
  plugins: ["assemblyscript-prettier"],
  printWidth: 120,
};
