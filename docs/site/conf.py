"""How the site looks. Nothing on it is loaded from elsewhere, and nothing is executed while it is built."""

import posixpath

from sphinx.util.nodes import make_refnode

project = html_title = "The Serverless Image Processing Lab"
language = "en"
extensions = ["myst_nb"]
nb_execution_mode = "off"  # the run that came before has executed all
myst_heading_anchors = 3
suppress_warnings = ["mystnb.unknown_mime_type"]  # a check's outcome as data, beside its text and table
html_theme = "sphinx_book_theme"
html_theme_options = {"show_navbar_depth": 1, "use_download_button": False, "use_fullscreen_button": False}
html_static_path = ["static"]
html_css_files = ["lab.css"]
html_copy_source = False  # an executed copy's metadata names folders of the machine that ran it
html_show_copyright = False


def to_the_page_of_a_folder(app, environment, node, content):
    """A link to a folder of the project leads to the page that has its name."""
    folder = posixpath.normpath(posixpath.join(posixpath.dirname(node["refdoc"]), node["reftarget"]))
    if folder in environment.found_docs:
        return make_refnode(app.builder, node["refdoc"], folder, None, content)
    return None


def setup(app):
    """What Sphinx calls."""
    app.connect("missing-reference", to_the_page_of_a_folder)
