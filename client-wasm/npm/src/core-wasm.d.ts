/** The core, where importing a file of WebAssembly gives its compiled module. */
declare module "*.wasm" {
  const module: WebAssembly.Module;
  export default module;
}
