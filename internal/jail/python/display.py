# Displays: pictures, tables and formulas of a program, for a run whose caller wants them. The daemon sends this module with the program,
# and the launcher executes it before the program starts. Displays are sent over the hand-off socket, which the program keeps, as frames of
# the Go package display. The program can write to that socket itself, so no check in this module is a protection.
import builtins
import io
import os
import sys

# The same list as sandbox.MIMETypes, the richest type first.
TYPES = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml", "application/vnd.plotly.v1+json",
         "application/vnd.vegalite.v5+json", "application/vnd.bokehjs_exec.v0+json", "text/html", "text/latex", "text/markdown",
         "application/json", "text/plain")
METHODS = (("_repr_png_", "image/png"), ("_repr_jpeg_", "image/jpeg"), ("_repr_svg_", "image/svg+xml"), ("_repr_html_", "text/html"),
           ("_repr_latex_", "text/latex"), ("_repr_markdown_", "text/markdown"), ("_repr_json_", "application/json"))
PLOTLY = "application/vnd.plotly.v1+json"
LINE = 255  # the type of a frame that reports a line of the program
MAX_TITLE = 1024  # bytes
COMPRESSION = 1  # of PNG files, from 0 to 9
BACKEND = "sandboxd_matplotlib"  # the module of matplotlib's backend
ABOVE = 200  # the number of the socket; high, because programs expect low numbers for the files that they open
BLOCK = 1 << 16  # bytes of a picture that are compressed at a time

socket = None  # the descriptor
owner = None  # pid of the only process that may send, because frames of several processes would be mixed
backend = None  # the module of matplotlib's backend, when it has been made
undo = []  # what prepare() has changed: a dictionary, a name in it, and the value before, or nothing if the name was not there
hot = b""  # in a child of a template: the ranges of memory that drawing changes
populate = None  # the function that copies these


def send(kind, title, payload):
    """Send one frame. If the daemon has closed the channel, it is not used again, and the program goes on."""
    global socket
    if socket is None or os.getpid() != owner:
        return
    if kind != LINE:
        for stream in (sys.stdout, sys.stderr):  # so that earlier output is reported before the display
            try:
                stream.flush()
            except Exception:
                pass
    title = title.encode("utf-8", "replace")[:MAX_TITLE]
    head = bytes((kind,)) + len(title).to_bytes(2, sys.byteorder) + title
    frame = memoryview((len(head) + len(payload)).to_bytes(4, sys.byteorder) + head + payload)
    try:
        while frame:
            frame = frame[os.write(socket, frame):]
    except OSError:
        socket = None


def send_line(frame):
    """Report the line of main.py that the program executes."""
    while frame and frame.f_code.co_filename != "main.py":
        frame = frame.f_back
    if frame and frame.f_lineno:
        send(LINE, "", frame.f_lineno.to_bytes(4, sys.byteorder))


def emit(mime, data, title=""):
    if isinstance(data, str):
        data = data.encode("utf-8", "replace")
    elif not isinstance(data, (bytes, bytearray)):
        import json

        data = json.dumps(data).encode()
    send(TYPES.index(mime), title, bytes(data))


def representation(thing):
    """Return the richest representation of an object: its type and its data."""
    if isinstance(thing, type):  # the methods below need an instance
        return "text/plain", repr(thing)
    if is_figure(thing):
        return "image/png", picture(thing)
    if hasattr(thing, "to_plotly_json"):
        return PLOTLY, thing.to_json()
    bundle = getattr(thing, "_repr_mimebundle_", None)
    if callable(bundle):
        found = bundle()
        if isinstance(found, tuple):
            found = found[0]
        for mime in TYPES:
            if found and found.get(mime) is not None:
                data = found[mime]
                return mime, decoded(data) if mime.startswith("image/") and mime != "image/svg+xml" else data
    for method, mime in METHODS:
        method = getattr(thing, method, None)
        found = method() if callable(method) else None
        if isinstance(found, tuple):  # data and metadata
            found = found[0]
        if found is not None:
            return mime, decoded(found) if method.__name__ in ("_repr_png_", "_repr_jpeg_") else found
    return "text/plain", repr(thing)


def decoded(data):
    """Return the bytes of a picture, which may be a base64 string."""
    if isinstance(data, str):
        import binascii

        return binascii.a2b_base64(data)
    return data


def display(*things, title=""):
    """Show objects: figures, pictures, tables, formulas. Each is shown in its richest form: PNG, SVG, HTML, LaTeX, Markdown or text."""
    for thing in things:
        mime, data = representation(thing)
        emit(mime, data, title or title_of(thing))


def is_figure(thing):
    figure = sys.modules.get("matplotlib.figure")
    return figure is not None and isinstance(thing, figure.Figure)


# Settings of savefig() with which it draws the figure as it is.
PLAIN = {"savefig.dpi": "figure", "savefig.bbox": None, "savefig.facecolor": "auto", "savefig.edgecolor": "auto", "savefig.transparent": False}


def copy_hot():
    """In a child of a template, copy the memory that drawing changes, all at once. Otherwise each page would cost a page fault."""
    global hot
    if hot:
        populate(hot)
        hot = b""


def picture(figure):
    """The figure as savefig() writes it. With the usual settings savefig() would draw it twice, the first time to find its size."""
    import matplotlib

    copy_hot()
    canvas = figure.canvas
    if hasattr(canvas, "buffer_rgba") and all(matplotlib.rcParams.get(name) == value for name, value in PLAIN.items()):
        canvas.draw()
        return png(canvas.buffer_rgba(), figure.dpi)
    file = io.BytesIO()
    figure.savefig(file, format="png", pil_kwargs={"compress_level": COMPRESSION})
    return file.getvalue()


def png(pixels, dpi):
    """Return a PNG file (RFC 2083) of rows of pixels with 8 bits for each of red, green, blue and alpha. PIL tries five filters for each
    row, which takes three times as long as this, and for most figures the file is no smaller. The rows are copied in blocks, because each
    new page of memory costs a page fault."""
    import zlib

    import numpy

    height, width = pixels.shape[:2]
    pixels = numpy.asarray(pixels).reshape(height, 4 * width)
    block = numpy.zeros((max(BLOCK // (4 * width), 1), 1 + 4 * width), numpy.uint8)  # a row begins with its filter; 0 means none
    compressor = zlib.compressobj(COMPRESSION)
    compressed = []
    for top in range(0, height, len(block)):
        rows = block[:height - top]
        rows[:, 1:] = pixels[top:top + len(rows)]
        compressed.append(compressor.compress(rows))
    compressed.append(compressor.flush())

    def number(n):
        return n.to_bytes(4, "big")

    def chunk(kind, data):
        return number(len(data)) + kind + data + number(zlib.crc32(kind + data))

    metre = number(round(dpi / 0.0254))  # pixels
    return b"".join((
        b"\x89PNG\r\n\x1a\n",
        chunk(b"IHDR", number(width) + number(height) + b"\x08\x06\x00\x00\x00"),
        chunk(b"pHYs", metre + metre + b"\x01"),
        chunk(b"IDAT", b"".join(compressed)),
        chunk(b"IEND", b""),
    ))


def title_of(thing):
    """Return the title of a figure: its own, that of its first axes that has one, or that of its window."""
    if hasattr(thing, "to_plotly_json"):
        title = getattr(getattr(thing, "layout", None), "title", None)
        return getattr(title, "text", None) or ""
    if not is_figure(thing):
        return ""
    heading = getattr(thing, "_suptitle", None)
    titles = [heading.get_text()] if heading else []
    titles += [axes.get_title() for axes in thing.axes]
    manager = getattr(thing.canvas, "manager", None)
    if manager:
        titles += [thing.get_label(), f"Figure {manager.num}"]
    return next((title for title in titles if title), "")


def show_figures():
    """Show every open figure of pyplot, and close it."""
    helpers = sys.modules.get("matplotlib._pylab_helpers")
    for manager in helpers.Gcf.get_all_fig_managers() if helpers else ():
        figure = manager.canvas.figure
        emit("image/png", picture(figure), title_of(figure))
        helpers.Gcf.destroy(manager)


def show_last_figures():
    """Show the figures that are still open at the end of the program. A figure that cannot be drawn must not change how it ends."""
    try:
        show_figures()
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)


def make_backend(module):
    """Fill the module of matplotlib's backend. It is the Agg backend for PNG files, with a show() that sends displays."""
    from matplotlib.backend_bases import FigureManagerBase
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    class FigureManager(FigureManagerBase):
        def show(self):
            figure = self.canvas.figure
            emit("image/png", picture(figure), title_of(figure))

    class FigureCanvas(FigureCanvasAgg):
        manager_class = FigureManager

    def show(*args, **kwargs):
        show_figures()

    def new_figure_manager_given_figure(number, figure):
        return FigureManager(FigureCanvas(figure), number)

    def new_figure_manager(number, *args, FigureClass=None, **kwargs):
        copy_hot()
        if FigureClass is None:
            from matplotlib.figure import Figure as FigureClass
        return new_figure_manager_given_figure(number, FigureClass(*args, **kwargs))

    def draw_if_interactive():
        pass

    for name, value in list(locals().items()):
        if name not in ("module", "FigureManagerBase", "FigureCanvasAgg"):
            setattr(module, name, value)


def show_at_the_end():
    """Show the figures that are still open when the program ends. pyplot has registered before this a function that closes all figures.
    atexit calls in reverse order, so this one is called first."""
    import atexit

    atexit.register(show_last_figures)


def use_viewer(image_show):
    """Make Image.show() of PIL send a display."""
    class Viewer(image_show.Viewer):
        def show(self, image, **options):
            file = io.BytesIO()
            image.save(file, format="PNG")
            emit("image/png", file.getvalue(), options.get("title") or "")
            return 1

    image_show.register(Viewer, 0)


def use_renderer(renderers):
    """Make show() of plotly's figures send a display."""
    from plotly.io._base_renderers import ExternalRenderer

    class Renderer(ExternalRenderer):
        def render(self, figure):
            import plotly.io

            title = figure.get("layout", {}).get("title", {})
            emit(PLOTLY, plotly.io.to_json(figure, validate=False), title.get("text", ""))

    renderers.renderers["sandboxd"] = Renderer()
    renderers.renderers.default = "sandboxd"


# What show() of these modules needs, once they are imported.
SHOWS = {"PIL.ImageShow": use_viewer, "plotly.io._renderers": use_renderer}


class Finder:
    """A finder for matplotlib's backend. It also prepares the modules in SHOWS when they are imported. It comes before python3's own
    finders."""

    def find_spec(self, name, path=None, target=None):
        if name == BACKEND:
            from importlib.machinery import ModuleSpec

            return ModuleSpec(name, self)
        if name in SHOWS:
            sys.meta_path.remove(self)
            try:
                from importlib.util import find_spec

                spec = find_spec(name)
            finally:
                sys.meta_path.insert(0, self)
            if spec and spec.loader:
                execute = spec.loader.exec_module

                def exec_module(module):
                    execute(module)
                    SHOWS[name](module)

                spec.loader.exec_module = exec_module
            return spec
        return None

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        global backend
        make_backend(module)
        backend = module
        if socket is not None:  # it is made for a program, not by prepare()
            show_at_the_end()


def prepare():
    """Make pyplot use the backend, if it is imported. A template does this before it forks, so that install() need not do it in each run.
    pyplot and matplotlib keep the choice of a backend in dictionaries. prepare() compares them before and after, for revert(). Return a
    function that draws a figure like a program, or None if pyplot is not imported."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if not pyplot or pyplot.get_fignums():  # a change of the backend would close the figures
        return None
    import matplotlib.backends

    places = [vars(module) for module in (matplotlib, matplotlib.backends, pyplot)]
    places += [value for value in vars(matplotlib).values() if isinstance(value, dict)]  # the settings
    places += [vars(value) for value in vars(pyplot).values() if isinstance(value, type(prepare))]
    before = [dict.copy(place) for place in places]
    finder = Finder()
    sys.meta_path.insert(0, finder)
    pyplot.switch_backend("module://" + BACKEND)
    sys.meta_path.remove(finder)
    del sys.modules[BACKEND]
    for place, old in zip(places, before):
        for name, value in dict.copy(place).items():
            if isinstance(value, type(sys)):  # a submodule: it stays imported
                pass
            elif name not in old:
                undo.append((place, name))
            elif old[name] is not value:
                undo.append((place, name, old[name]))

    def draw():
        pyplot.plot([0, 1])
        pyplot.title("title")
        pyplot.show()

    return draw


def revert():
    """Undo prepare(), for a run without displays."""
    for place, name, *value in undo:
        if value:
            dict.__setitem__(place, name, *value)
        else:
            dict.__delitem__(place, name)


def keep(channel):
    """Keep the channel and define display(). Tell matplotlib which backend to use when it is imported."""
    global socket, owner
    os.dup2(channel, ABOVE, inheritable=False)
    socket, owner = ABOVE, os.getpid()
    builtins.display = display
    sys.meta_path.insert(0, Finder())
    os.environ["MPLBACKEND"] = "module://" + BACKEND


def rehearse(channel):
    """Do what keep() does and undo it, for the launcher's rehearse()."""
    global socket, owner
    before = os.environ["MPLBACKEND"]
    keep(channel)
    os.close(socket)
    socket = owner = None
    del builtins.display, sys.meta_path[0]
    os.environ["MPLBACKEND"] = before


def install(channel):
    """Make display(), matplotlib, PIL and plotly send displays over the channel."""
    keep(channel)
    # A template may have imported these modules already.
    pyplot = sys.modules.get("matplotlib.pyplot")
    if backend:
        sys.modules[BACKEND] = backend
        show_at_the_end()
    elif pyplot:
        pyplot.switch_backend("module://" + BACKEND)
    elif "matplotlib" in sys.modules:
        sys.modules["matplotlib"].rcParams["backend"] = "module://" + BACKEND
    for name, use in SHOWS.items():
        if name in sys.modules:
            use(sys.modules[name])
