"""Stand-ins for all that the Stable Diffusion world needs: random or made up, small, in the real files' formats.

With them the whole path of `erasebench run` can be walked offline. What is made with them is no result: every file says
that it is a stand-in (`erasebench.files.stand_ins`), its records name it, and no board shows them.
"""
