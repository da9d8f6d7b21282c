"""What developing and testing takes beside the product: programs from source, images, a cluster."""
