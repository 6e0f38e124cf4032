Redoc.init(
  new URL("../openapi.json", document.currentScript.src).href, // below the root path, if there is one
  {
    disableSearch: true, // it needs a worker made of a blob, and there is little to search
    theme: { typography: { fontFamily: "sans-serif", headings: { fontFamily: "sans-serif" } } },
  },
  document.getElementById("redoc"),
);
