// Bindings of what a network with anchors finds.
#pragma once

#include <pybind11/pybind11.h>

namespace facectrl {

// Adds BoxDecoder and AnchorLooks.
void bind_looks(pybind11::module_& module);

}  // namespace facectrl
