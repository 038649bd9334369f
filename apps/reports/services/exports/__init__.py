from apps.reports.services.exports.asking import delete_export, request_export
from apps.reports.services.exports.forgetting import forget_exports
from apps.reports.services.exports.links import open_link, sign_link
from apps.reports.services.exports.making import EXPORT, make_export
from apps.reports.services.exports.orders import Order, read_file_name, read_order
from apps.reports.services.exports.streaming import ExportStream, open_stream

__all__ = [
    "EXPORT",
    "ExportStream",
    "Order",
    "delete_export",
    "forget_exports",
    "make_export",
    "open_link",
    "open_stream",
    "read_file_name",
    "read_order",
    "request_export",
    "sign_link",
]
